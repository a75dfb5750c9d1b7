"""Time-stamps of an authority (RFC 3161): the one user of rfc3161-client here.

A time-stamp says that some bytes existed by a time, whoever holds the pole's keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from cryptography import x509

from roeh.core.errors import RuntimeMissing
from roeh.keys.instants import microseconds

MAX_TIMESTAMP_BYTES = 256 << 10
_US_PER_MS = 1000
_US_PER_S = 1_000_000


class Stamp(msgspec.Struct, frozen=True):
    """What an authority believed by the reader says of some bytes.

    Attributes:
        t_utc_us: they existed by then, off by `error_us` at most as the authority states.
        authority: who says so.
    """

    t_utc_us: int
    error_us: int
    authority: str


class WrongStamp(msgspec.Struct, frozen=True):
    """It does not count: `why`."""

    why: str


def check_timestamp(
    response: bytes, message: bytes, roots: Sequence[x509.Certificate]
) -> Stamp | WrongStamp:
    """A time-stamp over `message`, by an authority under one of `roots`.

    Certificates count at the time of the stamp.

    Raises:
        RuntimeMissing: rfc3161-client is not installed.
    """
    try:
        import rfc3161_client as rfc3161  # noqa: PLC0415  # only bundles that bring one need it
    except ImportError as error:
        raise RuntimeMissing(
            what="rfc3161-client is not installed",
            which="time-stamps (RFC 3161)",
            remedy="pip install 'roeh[verify]', or check them with `openssl ts -verify`",
        ) from error
    try:
        read = rfc3161.decode_timestamp_response(response)
        builder = rfc3161.VerifierBuilder(roots=list(roots))
        builder.build().verify_message(read, message)
        stated = read.tst_info
        if stated.message_imprint.message != hashlib.sha256(message).digest():
            return WrongStamp("it is not over the SHA-256 of these bytes")
        accuracy = stated.accuracy
        error_us = 0
        if accuracy is not None:
            error_us += (accuracy.seconds or 0) * _US_PER_S
            error_us += (accuracy.millis or 0) * _US_PER_MS + (accuracy.micros or 0)
        certificates = [
            x509.load_der_x509_certificate(each) for each in read.signed_data.certificates
        ]
        signers = {(each.issuer, each.serial_number) for each in read.signed_data.signer_infos}
        named = [
            each.subject.rfc4514_string()
            for each in certificates
            if (each.issuer, each.serial_number) in signers
        ]
        return Stamp(microseconds(stated.gen_time), error_us, named[0])
    except Exception as error:  # noqa: BLE001  # crafted bytes: whatever the parser may raise
        return WrongStamp(str(error).split("\n")[0][:200] or type(error).__name__)
