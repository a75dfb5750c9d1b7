"""The signing requests of nodes, as the key keeper reads and checks them. Without IO."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import node_name_of, usage_of
from roeh.keys.key_pem import REQUEST_LABEL, UNPARSABLE, is_p256, pem_blocks
from roeh.keys.signer import KeyUsage, NodeName

#: What a site or a node may be called.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def requests_in(content: bytes) -> list[x509.CertificateSigningRequest]:
    """The requests of a PEM file.

    Raises:
        KeyRefused: none, or one that cannot be read.
    """
    try:
        requests = [
            x509.load_pem_x509_csr(block)
            for label, block in pem_blocks(content)
            if label == REQUEST_LABEL
        ]
    except UNPARSABLE:
        requests = []
    if not requests:
        raise KeyRefused(
            what="holds no request that can be read",
            which="the requests",
            remedy="name what roeh keys request wrote",
        )
    return requests


def checked(
    request: x509.CertificateSigningRequest,
) -> tuple[NodeName, KeyUsage, ec.EllipticCurvePublicKey]:
    """What a request asks for, when a node may have it.

    Raises:
        KeyRefused: not signed by its key, on another curve, for no usage of ours, or
            naming no node.
    """
    which = "a request"
    try:
        which = f"the request of {request.subject.rfc4514_string()}"
        public_key = request.public_key()
        name, usage = node_name_of(request.subject), usage_of(request.extensions)
        if not request.is_signature_valid:
            wrong = "not signed by its own key"
        elif not is_p256(public_key):
            wrong = "its key is not on the curve P-256"
        elif usage is None:
            wrong = "asks for no usage of ours"
        elif name is None or not (NAME.fullmatch(name.site) and NAME.fullmatch(name.node)):
            wrong = "names no node"
        else:
            return name, usage, public_key
    except UNPARSABLE as error:
        wrong = f"cannot be read ({error})"
    raise KeyRefused(what=wrong, which=which, remedy="make it anew: roeh keys request")
