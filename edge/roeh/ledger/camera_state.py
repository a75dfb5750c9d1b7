"""What the recorder holds in memory of one camera and of the segment it writes."""

from __future__ import annotations

import threading

from roeh.ledger.continuity import EndReason, FileSoFar
from roeh.ledger.records import RecordBody
from roeh.ledger.segment_rows import CameraChain
from roeh.ledger.segments import OpenSegmentFile


class OpenSegment:
    """A segment being written; `row` is None until its first fragment is in the index."""

    def __init__(self, file: OpenSegmentFile, so_far: FileSoFar) -> None:
        self.file = file
        self.so_far = so_far
        self.init = file.init
        self.row: int | None = None
        self.fragments = 0
        self.given_up: EndReason | None = None


class CameraState:
    """What the recorder knows of one camera; `lock` is held while a group is stored.

    Attributes:
        refused: why the store takes nothing of it now.
        unsigned: why its stream is not signed now.
        last_size_bytes: of its newest closed segment.
        left_behind: number of a file that nothing was acknowledged of and that could not be
            removed.
        unsaid: records that wait for the next transaction.
        is_over: nothing is stored any more.
    """

    def __init__(self, camera_id: str, chain: CameraChain | None) -> None:
        self.camera_id = camera_id
        self.lock = threading.Lock()
        self.chain = chain
        self.next_number = 1 if chain is None else chain.last_number + 1
        self.open: OpenSegment | None = None
        self.t_stored_mono_ns: int | None = None
        self.refused: EndReason | None = None
        self.unsigned: str | None = None
        self.left_behind: int | None = None
        self.unsaid: list[RecordBody] = []
        self.last_size_bytes = 0
        self.is_over = False
