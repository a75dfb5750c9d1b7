"""The part of a ledger that a bundle brings: records, each with the proof that it is in the tree.

The ledger is not here, so nothing can be said of what lies between these records; but each of
them is, bit for bit, what the pole signed a tree over.
"""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Sequence

import msgspec

from roeh.bundle import layout
from roeh.core.errors import EvidenceRefused
from roeh.ledger import records
from roeh.ledger.merkle import is_consistent, is_included, leaf_hash
from roeh.ledger.note import Checkpoint, WitnessKey, parse_checkpoint, parse_note
from roeh.verify.anchoring import (
    Anchoring,
    LogKey,
    NoteSource,
    check_checkpoints,
)
from roeh.verify.bundles.bag import Bag
from roeh.verify.ledger_state import LedgerState, SegmentPlace
from roeh.verify.report import Aspect, Finding, Weight

_MAX_NOTE_BYTES = 256 << 10
_MAX_PROOF_BYTES = 64 << 10


class RecordedStretch(msgspec.Struct, frozen=True):
    """What records say of a camera's time: a segment, or (`segment` None) a gap."""

    camera_id: str
    segment: int | None
    leaf: int
    from_utc_us: int
    to_utc_us: int


class PartialRoots:
    """What is known of the ledger's tree: its root at some sizes."""

    def __init__(self, size: int, known: dict[int, bytes]) -> None:
        self.size = size
        self._known = known

    def at(self, size: int) -> bytes | None:
        """The root over the first `size` leaves, where it is known."""
        return self._known.get(size)


class ProvenPart:
    """Read from a bag.

    Attributes:
        state: what its records say.
        checkpoint: the tree that they are proven to be in; None: it cannot be read.
        anchoring: what signatures and witnesses make of it.
        unproven: leaves of records that are not in that tree.
        custody: the records that are custody, in their order.
        stretches: of all cameras.
        segments: where the record of each is, by camera and number, deleted ones too.
        gaps: of all cameras, as a bundle tells of them.
        key_homes: where each usage's newest key is at home.
        claimed: of each record whose clock was set: its leaf, boot, and the earliest time at
            which it can have been written by its own word.
        trust_list: the record of the newest that was in force; None: there is none.
    """

    def __init__(self, bag: Bag) -> None:
        self.state = LedgerState(is_part=True)
        self.anchoring = Anchoring((), (), 0, ())
        self.unproven: set[int] = set()
        self.custody: list[records.Record] = []
        self.stretches: list[RecordedStretch] = []
        self.segments: dict[tuple[str, int], SegmentPlace] = {}
        self.gaps: list[layout.GapEntry] = []
        self.claimed: list[tuple[int, str, int]] = []
        self.key_homes: dict[str, str] = {}
        self.trust_list: records.TrustListRecord | None = None
        self.count = 0
        self.findings: list[Finding] = []
        self._bag = bag
        self._text = _text(bag, layout.CHECKPOINT)
        self.checkpoint = _checkpoint(self._text)
        self._read_records()
        self.findings += self.state.findings

    @property
    def origin(self) -> str:
        """The name of the ledger, as its records have it."""
        return f"roeh/{self.state.site}/{self.state.node}"

    def anchor(
        self,
        log_keys: Sequence[LogKey],
        witnesses: Sequence[WitnessKey],
        elsewhere: Sequence[NoteSource],
    ) -> None:
        """Hold it against its checkpoints, and those that were kept elsewhere."""
        known: dict[int, bytes] = {}
        sources: list[NoteSource] = []
        if self._text is None:
            self._find(Weight.FAIL, "no_checkpoint", "there is no checkpoint over these records")
        else:
            sources.append(NoteSource(layout.CHECKPOINT, self._text, is_own=True))
        if self.checkpoint is not None:
            known[self.checkpoint.size] = self.checkpoint.root
            sources += self._witnessed(self.checkpoint, known)
        for source in elsewhere:
            size = _size(source.written)
            if size is None or size in known:
                sources.append(source)
            else:
                self._find(
                    Weight.NOT_CHECKED,
                    "checkpoint_unrelated",
                    f"{source.name} is over {size} records: a bundle can be compared with"
                    f" checkpoints over {' or '.join(map(str, sorted(known)))} only",
                )
        size = self.checkpoint.size if self.checkpoint is not None else 0
        self.anchoring = check_checkpoints(
            PartialRoots(size, known), self.origin, sources, log_keys, witnesses
        )
        self.findings += self.anchoring.findings

    def _witnessed(self, checkpoint: Checkpoint, known: dict[int, bytes]) -> list[NoteSource]:
        """The witnessed note, where the tree is shown to begin with its own."""
        written = _text(self._bag, layout.WITNESSED)
        seen = _checkpoint(written)
        if written is None:
            return []
        proof = consistency_in(self._bag, layout.CONSISTENCY)
        hashes = None if proof is None else _hashes(proof.proof)
        if (
            seen is None
            or proof is None
            or hashes is None
            or (proof.from_size, proof.to_size) != (seen.size, checkpoint.size)
            or not is_consistent(seen.size, seen.root, checkpoint.size, checkpoint.root, hashes)
        ):
            self._find(
                Weight.FAIL,
                "witnessed_differs",
                "it is not shown that the ledger continues what the witness saw",
                path=layout.WITNESSED,
            )
            return []
        known[seen.size] = seen.root
        return [NoteSource(layout.WITNESSED, written, is_own=True)]

    def _read_records(self) -> None:
        """Each line with its proof; both files have a line a record, in the same order."""
        custody = self._bag.lines(layout.CUSTODY)
        both = itertools.zip_longest(
            self._bag.lines(layout.RECORDS), self._bag.lines(layout.INCLUSION)
        )
        for entry, inclusion in both:
            if entry is None:
                self._find(
                    Weight.FAIL,
                    "proof_left_over",
                    "has more lines than there are records",
                    path=layout.INCLUSION,
                )
                break
            line, offset_bytes = entry
            self.count += 1
            record = self.state.take(line, 0, offset_bytes)
            if record is None:
                continue
            if inclusion is None or not self._is_included(record.leaf, line, inclusion[0]):
                self.unproven.add(record.leaf)
                self._find(
                    Weight.FAIL,
                    "record_not_proven",
                    "this record is not the one that the pole's checkpoint covers",
                    leaf=record.leaf,
                    path=layout.RECORDS,
                )
            self._take(record, offset_bytes)
            if _kind(record) in layout.CUSTODY_KINDS:
                self.custody.append(record)
                also, _ = next(custody, (b"", 0))
                if also != line:
                    self._custody_differs(record.leaf)
                    custody = iter(())
        if next(custody, None) is not None:
            self._custody_differs(None)

    def _is_included(self, leaf: int, line: bytes, proof_line: bytes) -> bool:
        try:
            proof = msgspec.json.decode(proof_line, type=layout.InclusionLine)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        hashes = _hashes(proof.proof)
        checkpoint = self.checkpoint
        return (
            checkpoint is not None
            and hashes is not None
            and (proof.leaf, proof.size) == (leaf, checkpoint.size)
            and is_included(leaf, proof.size, leaf_hash(line), hashes, checkpoint.root)
        )

    def latest_claimed_us(self, size: int) -> int | None:
        """The latest of the earliest times at which records of a tree can have been written.

        What a clock was stepped by in a boot may have been wrong before.
        """
        return max(
            (
                earliest_us - self.state.stepped_us.get(boot_id, 0)
                for leaf, boot_id, earliest_us in self.claimed
                if leaf < size
            ),
            default=None,
        )

    def segment(self, camera_id: str, number: int) -> tuple[int, records.SegmentRecord] | None:
        """A segment's leaf and its proven record."""
        place = self.segments.get((camera_id, number))
        if place is None or place.leaf in self.unproven:
            return None
        found = segment_record_at(self._bag, place.offset_bytes)
        return None if found is None else (place.leaf, found)

    def _take(self, record: records.Record, offset_bytes: int) -> None:
        body = record.body
        if record.synchronised:
            earliest_us = record.t_utc_us - record.utc_error_us
            self.claimed.append((record.leaf, record.boot_id, earliest_us))
        if isinstance(body, records.SegmentRecord):
            place = SegmentPlace(record.leaf, 0, offset_bytes)
            self.segments[body.camera_id, body.segment] = place
            end_us = body.t_utc_us + body.t_end_mono_us - body.t_first_mono_us
            self.stretches.append(
                RecordedStretch(
                    body.camera_id,
                    body.segment,
                    record.leaf,
                    body.t_utc_us,
                    end_us,
                )
            )
        elif isinstance(body, records.GapRecord):
            self.stretches.append(
                RecordedStretch(body.camera_id, None, record.leaf, body.from_utc_us, body.to_utc_us)
            )
            self.gaps.append(
                layout.GapEntry(
                    record.leaf, body.camera_id, body.from_utc_us, body.to_utc_us, body.reason
                )
            )
        elif isinstance(body, records.KeyRecord):
            self.key_homes[body.usage] = body.home
        elif isinstance(body, records.TrustListRecord):
            self.trust_list = body

    def _custody_differs(self, leaf: int | None) -> None:
        self.findings.append(
            Finding(
                aspect=Aspect.CUSTODY,
                weight=Weight.FAIL,
                what="custody_differs",
                detail="is not, line for line, the custody records among the records",
                path=layout.CUSTODY,
                leaf=leaf,
            )
        )

    def _find(
        self,
        weight: Weight,
        what: str,
        detail: str,
        *,
        path: str | None = None,
        leaf: int | None = None,
    ) -> None:
        self.findings.append(
            Finding(
                aspect=Aspect.COMPLETE,
                weight=weight,
                what=what,
                detail=detail,
                path=path,
                leaf=leaf,
            )
        )


def segment_record_at(bag: Bag, offset_bytes: int) -> records.SegmentRecord | None:
    """A segment's record again, by its place in RECORDS."""
    try:
        line = bag.line_at(layout.RECORDS, offset_bytes)
        body = msgspec.json.decode(line, type=records.Record).body
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, records.SegmentRecord) else None


def _kind(record: records.Record) -> str:
    return str(type(record.body).__struct_config__.tag)


def _text(bag: Bag, path: str) -> str | None:
    content = bag.read(path, _MAX_NOTE_BYTES)
    return None if content is None else content.decode("utf-8", "replace")


def _checkpoint(written: str | None) -> Checkpoint | None:
    try:
        return None if written is None else parse_checkpoint(parse_note(written).text)
    except EvidenceRefused:
        return None


def _size(written: str) -> int | None:
    found = _checkpoint(written)
    return None if found is None else found.size


def _hashes(written: Sequence[str]) -> tuple[bytes, ...] | None:
    try:
        return tuple(binascii.unhexlify(each) for each in written)
    except (binascii.Error, ValueError):
        return None


def consistency_in(bag: Bag, path: str) -> layout.ConsistencyDocument | None:
    """A consistency proof of a bag; None when it is not there or none."""
    content = bag.read(path, _MAX_PROOF_BYTES)
    try:
        return (
            None
            if content is None
            else msgspec.json.decode(content, type=layout.ConsistencyDocument)
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
