"""A CA's certificate marked as believed for one purpose, as OpenSSL reads it. Without IO.

OpenSSL builds a chain up to a root, so who names a root believes every CA below it. A CA in
a block "TRUSTED CERTIFICATE" (openssl-x509(1), Trust Settings) is believed by itself and for
the purposes named beside it: a broker so tells poles from services although one root stands
above both.
"""

from __future__ import annotations

import base64
import re
import textwrap

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.core.errors import KeyRefused
from roeh.keys.key_pem import UNPARSABLE

_LABEL = "TRUSTED CERTIFICATE"
_BLOCK = re.compile(f"-----BEGIN {_LABEL}-----([^-]*)-----END {_LABEL}-----".encode("ascii"))
_LINE = 64
#: DER of SEQUENCE and OBJECT IDENTIFIER; every length here is below 128, so one byte.
_SEQUENCE, _OBJECT_IDENTIFIER = 0x30, 0x06


def trusted_certificate_pem(certificate: x509.Certificate, purpose: x509.ObjectIdentifier) -> bytes:
    """The certificate, believed for this extended key usage and nothing else.

    What follows the certificate is OpenSSL's X509_CERT_AUX:
    SEQUENCE { trust SEQUENCE OF OBJECT IDENTIFIER }.
    """
    aux = _der(_SEQUENCE, _der(_SEQUENCE, _der(_OBJECT_IDENTIFIER, _identifier(purpose))))
    encoded = base64.b64encode(certificate.public_bytes(Encoding.DER) + aux).decode("ascii")
    lines = "\n".join(textwrap.wrap(encoded, _LINE))
    return f"-----BEGIN {_LABEL}-----\n{lines}\n-----END {_LABEL}-----\n".encode("ascii")


def trusted_certificates_in(content: bytes) -> list[x509.Certificate]:
    """The certificates of such blocks, without what they are believed for.

    Raises:
        KeyRefused: a block cannot be read.
    """
    try:
        return [
            x509.load_der_x509_certificate(_first_der(base64.b64decode(block)))
            for block in _BLOCK.findall(content)
        ]
    except (*UNPARSABLE, IndexError) as error:
        raise KeyRefused(
            what=f"cannot be read ({error})",
            which="a file of believed CAs",
            remedy="write the broker's files again: roeh desk broker",
        ) from error


def _first_der(encoded: bytes) -> bytes:
    """The first of the DER values that stand one after the other."""
    size, header = encoded[1], 2
    if size & 0x80:
        header += size & 0x7F
        size = int.from_bytes(encoded[2:header], "big")
    return encoded[: header + size]


def _der(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _identifier(oid: x509.ObjectIdentifier) -> bytes:
    """An object identifier's content: the first two arcs in one, each of the rest in base 128."""
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    return b"".join(_base_128(arc) for arc in (first * 40 + second, *rest))


def _base_128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(arc & 0x7F | 0x80)
    return bytes(reversed(digits))
