"""What each of these programs needs: its own key, channels to whom it knows by their certificate,
and a session on the hub.

Nothing here is particular to Chinwag but the name in the certificates and the protos.
"""

import argparse
import json
import pathlib
import ssl

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from chinwag.v1 import presence_pb2, presence_pb2_grpc

# Certificates of Chinwag name no host: whoever has the key is the one, wherever it is.
NAME_IN_CERTIFICATES = "peer.chat.internal"

# Seconds that anything may take before a program gives up.
PATIENCE = 30


class Identity:
    """A key of one's own with its certificate, as `chinwag` keeps them: two files of PEM."""

    def __init__(self, directory):
        self.key = (directory / "identity.key").read_bytes()
        self.certificate = (directory / "identity.crt").read_bytes()


def pem(der):
    """A certificate as the hub lists it, as gRPC wants it."""
    return ssl.DER_cert_to_PEM_cert(der).encode()


def channel(address, root, identity=None):
    """A channel to whoever has the key of the certificate `root`; without an identity, as a guest."""
    own = (identity.key, identity.certificate) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(root, *own)
    options = [("grpc.ssl_target_name_override", NAME_IN_CERTIFICATES)]
    return grpc.secure_channel(address, credentials, options)


class Session:
    """A name on the hub, for as long as the `with` lasts."""

    def __init__(self, options, endpoints=()):
        self.channel = channel(options.hub, options.root, options.identity)
        self.presence = presence_pb2_grpc.PresenceStub(self.channel)
        request = presence_pb2.RegisterRequest(name=options.name, endpoints=endpoints)
        registered = self.presence.Register(request, timeout=PATIENCE)
        self.peer = registered.peer
        self.metadata = [("authorization", f"Bearer {registered.token}")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        request = presence_pb2.UnregisterRequest()
        self.presence.Unregister(request, metadata=self.metadata, timeout=PATIENCE)
        self.channel.close()


def parser(description):
    """The arguments that all of these programs take."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("hub", help="HOST:PORT")
    arguments.add_argument("name", help="what to be called")
    arguments.add_argument("--root", required=True, type=lambda path: pathlib.Path(path).read_bytes(),
                           help="the hub's certificate")
    arguments.add_argument("--identity", type=lambda path: Identity(pathlib.Path(path)),
                           help="the directory of one's own key; without it one is a guest")
    return arguments


def tell(**fields):
    """Prints an object on a line of its own."""
    print(json.dumps(fields), flush=True)


def run(main):
    """Runs a program, and tells what it was refused."""
    try:
        main()
    except grpc.RpcError as error:
        tell(refused=reason(error), code=error.code().name, message=error.details())


def reason(error):
    """The reason in a refusal's details; None where nobody refused, as when there is no connection."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return None
