"""The ledger's records in a bundle: each with its proof, those of custody once more."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from roeh.bundle.layout import CUSTODY_KINDS, GapEntry, InclusionLine
from roeh.bundle.span_rows import Evidence
from roeh.bundle.spill import Spills
from roeh.core.errors import ExportFailed
from roeh.core.peers import Verb
from roeh.core.retrieval import ExportBegun, ProofsRequest, ProvenRecord, ProvenRecords
from roeh.ledger.records import GapRecord, Record

#: Of segments with many pictures: far below what one message may hold.
_RECORDS_A_CALL: Final = 100


class ProvenFiles:
    """Records, custody and inclusion of a bundle, put aside as lines.

    Args:
        watch: sees every record, in the order of the ledger.
    """

    def __init__(self, spills: Spills, watch: Callable[[Record], None]) -> None:
        self.records = spills.bytes()
        self.custody = spills.bytes()
        self.inclusion = spills.bytes()
        self.count = 0
        self.gaps: list[GapEntry] = []
        self._watch = watch

    def fetch(self, evidence: Evidence, begun: ExportBegun, segment_leaves: Iterable[int]) -> None:
        """Ask for them all: those that evidence names, and those of the segments in the bundle.

        Raises:
            RoehError: evidence cannot answer.
            ExportFailed: it answered something else.
        """
        last = -1
        leaves = heapq.merge(sorted(begun.leaves), segment_leaves)
        wanted = (leaf for leaf in leaves if leaf < begun.ledger_size)
        distinct = (leaf for leaf, _ in itertools.groupby(wanted))
        while batch := tuple(itertools.islice(distinct, _RECORDS_A_CALL)):
            for proven in _asked(evidence, begun, batch):
                if proven.leaf <= last:
                    raise _wrong(proven.leaf)
                last = proven.leaf
                self._keep(proven, begun.ledger_size)

    def _keep(self, proven: ProvenRecord, size: int) -> None:
        record = msgspec.json.decode(proven.record, type=Record)
        if record.leaf != proven.leaf:
            raise _wrong(proven.leaf)
        line = proven.record + b"\n"
        self.records.add(line)
        if record.body.__struct_config__.tag in CUSTODY_KINDS:
            self.custody.add(line)
        included = InclusionLine(leaf=proven.leaf, size=size, proof=proven.proof)
        self.inclusion.add(msgspec.json.encode(included) + b"\n")
        self.count += 1
        body = record.body
        if isinstance(body, GapRecord):
            self.gaps.append(
                GapEntry(proven.leaf, body.camera_id, body.from_utc_us, body.to_utc_us, body.reason)
            )
        self._watch(record)


def _asked(
    evidence: Evidence, begun: ExportBegun, leaves: tuple[int, ...]
) -> Iterator[ProvenRecord]:
    """They may come in several answers, since records differ in size."""
    while leaves:
        request = ProofsRequest(id=begun.export.id, leaves=leaves, size=begun.ledger_size)
        answer = evidence.call(Verb.EXPORT_PROOFS, request, ProvenRecords).records
        found = tuple(proven.leaf for proven in answer)
        if not found or found != leaves[: len(found)]:
            raise _wrong(leaves[0])
        yield from answer
        leaves = leaves[len(found) :]


def _wrong(leaf: int) -> ExportFailed:
    return ExportFailed(
        what="evidence gave another record than was asked for",
        which=f"leaf {leaf}",
        remedy="roeh evidence check tells what is wrong with the ledger",
    )
