"""Stored segments for whoever reads them: their files, and what the ledger says of each."""

from __future__ import annotations

import msgspec

from roeh.core.config import NodeConfig
from roeh.core.custody import RecordsPage, RecordsRequest, SegmentRow
from roeh.core.errors import EvidenceRefused
from roeh.core.paths import segments_dir
from roeh.core.peers import Verb
from roeh.custody.link import EvidenceLink
from roeh.ledger.records import Record, SegmentRecord
from roeh.ledger.segments import SegmentFiles


class SegmentRecords:
    """Segment records of the ledger, each asked for once."""

    def __init__(self, link: EvidenceLink) -> None:
        self._link = link
        self._known: dict[int, SegmentRecord | None] = {}

    def of(self, segment: SegmentRow) -> SegmentRecord | None:
        """What the ledger says of it; None while it is being written."""
        if segment.leaf is None:
            return None
        if segment.leaf not in self._known:
            request = RecordsRequest(after=segment.leaf - 1, limit=1)
            page = self._link.call(Verb.RECORDS_PAGE, request, RecordsPage)
            bodies = [msgspec.json.decode(raw, type=Record).body for raw in page.records]
            found = bodies[0] if bodies else None
            self._known[segment.leaf] = found if isinstance(found, SegmentRecord) else None
        return self._known[segment.leaf]


def segment_files(config: NodeConfig) -> SegmentFiles:
    """The node's segment files, to be read.

    Raises:
        EvidenceRefused: they are not there, or not for this user.
    """
    directory = segments_dir(config)
    if not directory.is_dir():
        raise EvidenceRefused(
            what="the directory of segments is not there, or cannot be looked into",
            which=str(directory),
            remedy="run this on the pole, as a user of evidence's group",
        )
    return SegmentFiles(directory)
