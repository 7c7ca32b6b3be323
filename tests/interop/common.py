"""What the examples share: a key, channels to servers with a known certificate, and a session on the hub.

Only the protos and the name in the certificates are specific to Chinwag.
"""

import argparse
import hashlib
import json
import pathlib
import ssl

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from chinwag.v1 import presence_pb2, presence_pb2_grpc

# Certificates of Chinwag contain this name instead of a host: the key identifies a server.
NAME_IN_CERTIFICATES = "peer.chat.internal"

# The timeout of every call, in seconds.
TIMEOUT = 30


class Identity:
    """A key and its certificate, in two PEM files as `chinwag` stores them."""

    def __init__(self, directory):
        self.key = (directory / "identity.key").read_bytes()
        self.certificate = (directory / "identity.crt").read_bytes()


def pem(der):
    """Converts a certificate from DER, as the hub lists it, to PEM, as gRPC needs it."""
    return ssl.DER_cert_to_PEM_cert(der).encode()


def fingerprint(certificate):
    """Returns the fingerprint of the key in a certificate in PEM: the SHA-256 of its SubjectPublicKeyInfo, in hex.

    Names in a certificate prove nothing: whoever makes it can write what they like.
    """
    signed = elements(elements(ssl.PEM_cert_to_DER_cert(certificate))[0])[0]
    # Version, serial number, algorithm, issuer, validity, subject, key (RFC 5280, section 4.1).
    return hashlib.sha256(elements(signed)[6]).hexdigest()


def elements(der):
    """Returns the elements within an element of DER, or the one element of a whole certificate."""
    content = der[header(der)[0]:] if isinstance(der, memoryview) else memoryview(der)
    found = []
    while content:
        start, length = header(content)
        found.append(content[:start + length])
        content = content[start + length:]
    return found


def header(der):
    """Returns where the content of an element begins, and its length."""
    if der[1] < 0x80:
        return 2, der[1]
    start = 2 + der[1] - 0x80
    return start, int.from_bytes(der[2:start], "big")


def channel(address, root, identity=None):
    """Opens a channel to the server with the certificate `root`; without an identity, as a guest."""
    own = (identity.key, identity.certificate) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(root, *own)
    options = [("grpc.ssl_target_name_override", NAME_IN_CERTIFICATES)]
    return grpc.secure_channel(address, credentials, options)


class Session:
    """A session on the hub, which ends with the `with` block."""

    def __init__(self, options, endpoints=()):
        self.channel = channel(options.hub, options.root, options.identity)
        self.presence = presence_pb2_grpc.PresenceStub(self.channel)
        request = presence_pb2.RegisterRequest(name=options.name, endpoints=endpoints)
        registered = self.presence.Register(request, timeout=TIMEOUT)
        self.peer = registered.peer
        self.metadata = [("authorization", f"Bearer {registered.token}")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        request = presence_pb2.UnregisterRequest()
        self.presence.Unregister(request, metadata=self.metadata, timeout=TIMEOUT)
        self.channel.close()


def parser(description):
    """Returns a parser with the arguments of all examples."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("hub", help="HOST:PORT")
    arguments.add_argument("name", help="the name to register")
    arguments.add_argument("--root", required=True, type=lambda path: pathlib.Path(path).read_bytes(),
                           help="the hub's certificate")
    arguments.add_argument("--identity", type=lambda path: Identity(pathlib.Path(path)),
                           help="the directory of the key; without it, register as a guest")
    return arguments


def emit(**fields):
    """Prints a JSON object on one line."""
    print(json.dumps(fields), flush=True)


def run(main):
    """Runs an example, and prints the reason if a call was refused."""
    try:
        main()
    except grpc.RpcError as error:
        emit(refused=reason(error), code=error.code().name, message=error.details())


def reason(error):
    """Returns the reason in the details of an error; None without details, as for a lost connection."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return None
