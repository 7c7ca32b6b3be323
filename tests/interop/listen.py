"""Receives direct messages: a PeerChat server that accepts callers whose key the hub lists.

gRPC's Python server cannot accept any client key and check it later: it needs the certificates of all
callers as roots. So this example watches the hub's list of peers, which also holds its lease.
"""

import concurrent.futures
import pathlib
import threading

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chinwag.v1 import (
    peer_chat_pb2,
    peer_chat_pb2_grpc,
    presence_pb2,
    types_pb2,
)

import common


class Listed:
    """The certificates of all listed peers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.certificates = {}

    def roots(self):
        with self.lock:
            return b"".join(self.certificates.values())

    def watch(self, session):
        """Watches the list until the session ends."""
        request = presence_pb2.WatchPeersRequest(view=types_pb2.PEER_VIEW_BASIC)
        for response in session.presence.WatchPeers(request, metadata=session.metadata):
            for peer in (*response.snapshot.peers, *response.delta.updated):
                certificate = fetch(session, peer) if peer.fingerprint else None
                with self.lock:
                    self.certificates.pop(peer.name, None)
                    if certificate:
                        self.certificates[peer.name] = common.pem(certificate)
                common.emit(listed=peer.name)
            with self.lock:
                for name in response.delta.removed:
                    self.certificates.pop(name, None)


def fetch(session, listed):
    """Returns the certificate of a listed peer, which lists do not contain; None if it has just left."""
    request = presence_pb2.GetPeerRequest(name=listed.name)
    try:
        peer = session.presence.GetPeer(
            request, metadata=session.metadata, timeout=common.TIMEOUT
        ).peer
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.NOT_FOUND:
            return None
        raise
    # If its key has changed since then, the next change of the list says so.
    return peer.certificate if peer.fingerprint == listed.fingerprint else None


class Inbox(peer_chat_pb2_grpc.PeerChatServicer):
    """Prints every message, with the fingerprint of the caller's key."""

    def __init__(self, name):
        self.name = name

    def Send(self, request, context):
        receipt = self.take(request.message, context)
        return peer_chat_pb2.SendResponse(receipt=receipt)

    def Converse(self, requests, context):
        for request in requests:
            event = request.WhichOneof("event")
            if event == "hello":
                hello = peer_chat_pb2.Hello(name=self.name)
                yield peer_chat_pb2.ConverseResponse(hello=hello)
            elif event == "message":
                receipt = self.take(request.message, context)
                yield peer_chat_pb2.ConverseResponse(receipt=receipt)

    def take(self, message, context):
        """Prints a message and returns its receipt."""
        (certificate,) = context.auth_context()["x509_pem_cert"]
        key = common.fingerprint(certificate.decode())
        common.emit(sender=message.sender, text=message.text, key=key)
        now = Timestamp()
        now.GetCurrentTime()
        return peer_chat_pb2.Receipt(id=message.id, receiver=self.name, accepted_at=now)


def serve(options, listed):
    """Starts a server on a free port. Returns both."""
    identity = options.serve_as or options.identity

    def configuration():
        pairs = [(identity.key, identity.certificate)]
        return grpc.ssl_server_certificate_configuration(pairs, listed.roots() or identity.certificate)

    credentials = grpc.dynamic_ssl_server_credentials(configuration(), configuration, True)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    peer_chat_pb2_grpc.add_PeerChatServicer_to_server(Inbox(options.name), server)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return server, port


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--serve-as", type=lambda path: common.Identity(pathlib.Path(path)),
                        help="the directory of another key, to present to callers")
    options = parser.parse_args()
    listed = Listed()
    server, port = serve(options, listed)
    with common.Session(options, [types_pb2.Endpoint(host="127.0.0.1", port=port)]) as session:
        listed.watch(session)
    server.stop(grace=None)


common.run(main)
