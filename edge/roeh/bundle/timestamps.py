"""RFC 3161: somebody else's word that something existed at a time. The library's one adapter.

The answer is taken only if it is about what was sent: imprint and nonce. Whether its signer is
to be believed is judged by whoever verifies the bundle, with roots of their own.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import rfc3161_client
import urllib3

from roeh.bundle.layout import TimestampEntry
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import one_line

_TIMEOUT_S: Final = 10.0
#: An answer with a chain of certificates is a few kilobytes.
_MAX_ANSWER_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 4096
_MAX_DETAIL_CHARS: Final = 300
_SHA256_OID: Final = "2.16.840.1.101.3.4.2.1"


class Stamp(msgspec.Struct, frozen=True):
    """The answer of the authority, DER (TimeStampResp), empty if there is none; and how it went."""

    response: bytes
    entry: TimestampEntry


class TimestampAuthority:
    """A time-stamping authority at an HTTP address; an empty one: none is asked."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock

    def stamp(self, content: bytes) -> Stamp:
        """Ask for a timestamp of this; whatever goes wrong is told, not raised."""
        if not self._url:
            return Stamp(b"", TimestampEntry("none"))
        request = (
            rfc3161_client.TimestampRequestBuilder()
            .data(content)
            .hash_algorithm(rfc3161_client.HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        try:
            raw = self._posted(request.as_bytes())
            response = rfc3161_client.decode_timestamp_response(raw)
            reason = _why_not(response, hashlib.sha256(content).digest(), request.nonce)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return _failed(f"{type(error).__name__}: {error}")
        if reason:
            return _failed(reason)
        return Stamp(response.as_bytes(), TimestampEntry("granted"))

    def _posted(self, content: bytes) -> bytes:
        deadline_ns = self._clock.mono_ns() + int(_TIMEOUT_S * NS_PER_S)
        with urllib3.PoolManager(retries=False) as pool:
            response = pool.request(
                "POST",
                self._url,
                body=content,
                headers={"Content-Type": "application/timestamp-query"},
                timeout=urllib3.Timeout(total=_TIMEOUT_S),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                if response.status != 200:
                    raise ValueError(f"answered {response.status}")
                answer = bytearray()
                while piece := response.read(_PIECE_BYTES):
                    answer += piece
                    if len(answer) > _MAX_ANSWER_BYTES:
                        raise ValueError(f"answered more than {_MAX_ANSWER_BYTES} bytes")
                    # One that drips must not hold the bundle up.
                    if self._clock.mono_ns() > deadline_ns:
                        raise ValueError(f"gave no whole answer within {_TIMEOUT_S:.0f} s")
                return bytes(answer)
            finally:
                response.close()


def _why_not(response: rfc3161_client.TimeStampResponse, sha256: bytes, nonce: int | None) -> str:
    """Why an answer is not taken; empty: it is."""
    granted = (rfc3161_client.PKIStatus.GRANTED, rfc3161_client.PKIStatus.GRANTED_WITH_MODS)
    if response.status not in {status.value for status in granted}:
        return f"refused with status {response.status}: {', '.join(response.status_string)}"
    info = response.tst_info
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256_OID or imprint.message != sha256:
        return "answered about something else"
    if info.nonce != nonce:
        return "answered another question (the nonce differs)"
    return ""


def _failed(detail: str) -> Stamp:
    return Stamp(b"", TimestampEntry("failed", one_line(detail)[:_MAX_DETAIL_CHARS]))
