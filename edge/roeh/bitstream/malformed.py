"""The one error of everything here that reads bytes."""

from __future__ import annotations

from roeh.core.errors import EvidenceRefused


class Malformed(EvidenceRefused):
    """Bytes that are not what they should be.

    Attributes:
        offset_bytes: where in what was read, as near as can be told.
    """

    def __init__(self, what: str, offset_bytes: int = 0) -> None:
        super().__init__(
            what=what,
            which=f"byte {offset_bytes}",
            remedy="the file or stream is damaged, cut off or not video: check it and its copies",
        )
        self.offset_bytes = offset_bytes
