"""The signatures of groups of pictures, made beside the recording and never in its way.

A signer may be slow (a TPM), hang or fail: recording goes on, the signature comes before a
later group, and what is late is told.
"""

from __future__ import annotations

import threading
from typing import Protocol

import msgspec

from roeh.bitstream.media_signing import PendingGop, Vendor, sei_for
from roeh.core.errors import RoehError

_CLOSE_TIMEOUT_S = 1.0
#: How long a group may wait for the signature of the one before: ECDSA in software takes
#: a fraction of a millisecond.
_PATIENCE_S = 0.05
#: Signatures that are behind by more than this are told.
LATE_GOPS = 3


class MediaSigner(Protocol):
    """The key that signs media, wherever it is at home."""

    @property
    def chain_pem(self) -> bytes:
        """Its certificates, leaf first, without the root."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 with SHA-256, as DER."""
        ...


class SignedSei(msgspec.Struct, frozen=True):
    """A group and the SEI that signs it."""

    gop: PendingGop
    nal: bytes


class StreamSignatures:
    """Signs what waits, oldest first, in a thread of its own."""

    def __init__(self, signer: MediaSigner, vendor: Vendor) -> None:
        self._signer = signer
        self._vendor = vendor
        self._changed = threading.Condition()
        self._waiting: dict[str, tuple[PendingGop, ...]] = {}
        self._signed: dict[str, dict[int, bytes]] = {}
        self._failure: str | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="sign", daemon=True)
        self._thread.start()

    def follow(self, camera_id: str, pending: tuple[PendingGop, ...]) -> None:
        """These groups of a camera, and no others, wait for their SEI now."""
        counters = {gop.counter for gop in pending}
        with self._changed:
            self._waiting[camera_id] = pending
            signed = self._signed.get(camera_id, {})
            self._signed[camera_id] = {
                counter: nal for counter, nal in signed.items() if counter in counters
            }
            self._failure = None
            self._changed.notify_all()

    def ready(self, camera_id: str) -> tuple[SignedSei, ...]:
        """What is signed of what waits, oldest first.

        The newest group alone is waited for, and only for a moment.
        """
        with self._changed:
            if self._unsigned(camera_id) == 1:
                self._changed.wait_for(
                    lambda: self._failure is not None or not self._unsigned(camera_id), _PATIENCE_S
                )
            signed = self._signed.get(camera_id, {})
            return tuple(
                SignedSei(gop, signed[gop.counter])
                for gop in self._waiting.get(camera_id, ())
                if gop.counter in signed
            )

    def alarm(self) -> str | None:
        """What is wrong with the signer, if something is."""
        with self._changed:
            if self._failure is not None:
                return f"the stream is not being signed: {self._failure}"
            for camera_id in self._waiting:
                late = self._unsigned(camera_id)
                if late > LATE_GOPS:
                    return f"the signatures of {camera_id} are {late} groups behind"
        return None

    def close(self) -> None:
        """Sign no more; what waits is in the store and is signed after the next start."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_TIMEOUT_S)  # a signer that hangs is left behind

    def _unsigned(self, camera_id: str) -> int:
        signed = self._signed.get(camera_id, {})
        return sum(gop.counter not in signed for gop in self._waiting.get(camera_id, ()))

    def _work(self) -> None:
        while (found := self._next()) is not None:
            camera_id, gop = found
            try:
                nal = sei_for(
                    gop,
                    vendor=self._vendor,
                    chain_pem=self._signer.chain_pem,
                    sign=self._signer.sign,
                )
            except RoehError as error:
                with self._changed:
                    self._failure = str(error)
                    self._changed.notify_all()
                continue
            with self._changed:
                if gop in self._waiting.get(camera_id, ()):
                    self._signed.setdefault(camera_id, {})[gop.counter] = nal
                self._changed.notify_all()

    def _next(self) -> tuple[str, PendingGop] | None:
        """What to sign next; None when there is nothing more to do, for ever."""
        with self._changed:
            while not self._is_closing:
                if self._failure is None:  # else: again when the next group has come
                    for camera_id, pending in self._waiting.items():
                        signed = self._signed.get(camera_id, {})
                        for gop in pending:
                            if gop.counter not in signed:
                                return camera_id, gop
                self._changed.wait()
        return None
