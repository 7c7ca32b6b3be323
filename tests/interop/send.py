"""Sends a direct message to a peer, with the certificate and address that the hub lists."""

import uuid

from chinwag.v1 import peer_chat_pb2, peer_chat_pb2_grpc, presence_pb2

import common


def main():
    parser = common.parser(__doc__)
    parser.add_argument("to")
    parser.add_argument("text")
    options = parser.parse_args()
    with common.Session(options) as session:
        request = presence_pb2.GetPeerRequest(name=options.to)
        peer = session.presence.GetPeer(
            request, metadata=session.metadata, timeout=common.TIMEOUT
        ).peer
        address = f"{peer.endpoints[0].host}:{peer.endpoints[0].port}"
        root = common.pem(peer.certificate)
        with common.channel(address, root, options.identity) as channel:
            message = peer_chat_pb2.DirectMessage(
                id=str(uuid.uuid4()), sender=options.name, text=options.text
            )
            request = peer_chat_pb2.SendRequest(message=message, receiver=options.to)
            direct = peer_chat_pb2_grpc.PeerChatStub(channel)
            receipt = direct.Send(request, timeout=common.TIMEOUT).receipt
            common.emit(receiver=receipt.receiver, same=receipt.id == message.id)


common.run(main)
