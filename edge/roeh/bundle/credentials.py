"""Content credentials (C2PA) on a copy of a join: an extra, the library's one adapter.

Never the only proof: what a bundle proves it proves by its manifest, records and originals. The
library holds the whole file in memory, so a long join has none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

import roeh
from roeh.core.errors import one_line

#: Of a join: it is in memory twice for a moment.
MAX_JOIN_BYTES: Final = 64 * 1024 * 1024
_MAX_KEY_BYTES: Final = 64 * 1024
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)
_CAPTURED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_MAX_WHY_CHARS: Final = 200


class Credentialed(msgspec.Struct, frozen=True):
    """The copy, empty if there is none; and why there is none, empty if none was wanted."""

    content: bytes = b""
    why_not: str = ""


class ContentCredentials:
    """Signs copies with the key of a file: PEM, one P-256 key and its chain, leaf first.

    Args:
        key_file: empty: none are signed.
    """

    def __init__(self, key_file: str) -> None:
        self._key_file = key_file

    @property
    def is_wanted(self) -> bool:
        """Whether copies are to be signed at all."""
        return bool(self._key_file)

    def signed(self, pieces: Iterable[bytes], size_bytes: int, title: str) -> Credentialed:
        """A copy of a join with credentials in it; what goes wrong is told, not raised.

        Args:
            pieces: the join.
            size_bytes: of it, nearly.
            title: what it is, in a line.
        """
        if not self.is_wanted:
            return Credentialed()
        if size_bytes > MAX_JOIN_BYTES:
            return Credentialed(why_not="it is too long for that")
        try:
            import c2pa  # noqa: PLC0415 - an extra: it need not be there
        except ImportError:
            return Credentialed(why_not="the library is not installed (the extra c2pa)")
        try:
            chain, key = self._read_key()
            signed = io.BytesIO()
            with (
                c2pa.Signer.from_info(
                    c2pa.C2paSignerInfo(
                        alg=b"es256",
                        sign_cert=chain.encode(),
                        private_key=key.encode(),
                        # A timestamp is asked for over the whole manifest, not here.
                        ta_url=None,
                    )
                ) as signer,
                c2pa.Builder(_claim(title)) as builder,
            ):
                builder.sign(signer, "video/mp4", io.BytesIO(b"".join(pieces)), signed)
        except (OSError, ValueError, c2pa.C2paError) as error:
            return Credentialed(why_not=one_line(str(error))[:_MAX_WHY_CHARS])
        return Credentialed(content=signed.getvalue())

    def _read_key(self) -> tuple[str, str]:
        """(chain, key), PEM."""
        with Path(self._key_file).open(encoding="ascii") as file:
            text = file.read(_MAX_KEY_BYTES)
        blocks = [(found[1], found[0]) for found in _BLOCK.finditer(text)]
        chain = "".join(block for label, block in blocks if label == "CERTIFICATE")
        keys = [block for label, block in blocks if label.endswith("PRIVATE KEY")]
        if len(keys) != 1 or not chain:
            raise ValueError(f"{self._key_file} is not one key and its chain in PEM")
        return chain, keys[0]


def _claim(title: str) -> dict[str, Any]:
    """What is claimed: recorded by a camera, joined by this software."""
    made = {"action": "c2pa.created", "digitalSourceType": _CAPTURED}
    return {
        "title": title,
        "claim_generator_info": [{"name": "roeh", "version": roeh.__version__}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [made]}}],
    }
