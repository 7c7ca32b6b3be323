"""Chats in the lobby: posts each line of standard input, and prints each event as a JSON object."""

import sys

from chinwag.v1 import broadcast_pb2, broadcast_pb2_grpc

import common


def requests():
    """Yields the requests: a join, then a post for each line. The stream is half-closed at the end of the input."""
    yield broadcast_pb2.ChatRequest(join=broadcast_pb2.Join(room="lobby"))
    for line in sys.stdin:
        yield broadcast_pb2.ChatRequest(post=broadcast_pb2.PostRequest(text=line.rstrip("\n")))


def main():
    options = common.parser(__doc__).parse_args()
    with common.Session(options) as session:
        peer = session.peer
        common.emit(registered=peer.name, guest=peer.guest, certificate=peer.certificate.hex())
        broadcast = broadcast_pb2_grpc.BroadcastStub(session.channel)
        for response in broadcast.Chat(requests(), metadata=session.metadata):
            event = response.WhichOneof("event")
            if event == "joined":
                common.emit(joined=response.joined.room)
            elif event == "message":
                common.emit(sender=response.message.sender, text=response.message.text)
            elif event == "posted":
                common.emit(posted=response.posted.room)


common.run(main)
