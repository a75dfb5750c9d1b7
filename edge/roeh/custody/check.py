"""`roeh evidence check`: the node's own index, files and ledger held against each other.

Three levels, each with what is below it: `index` compares rows, records, mirror and the
files' presence and size; `hashes` reads every closed file; `signatures` judges every stream
signature too, as `roeh verify` does. It works beside a running node, page by page: what
changes meanwhile is asked for once more before it is reported.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import (
    FragmentRow,
    RecordsPage,
    RecordsRequest,
    SegmentRow,
    SegmentsPage,
    SegmentsRequest,
)
from roeh.core.paths import ledger_dir
from roeh.core.peers import Verb
from roeh.custody.holdings import Holdings, read_all
from roeh.custody.kept_check import KeptRecords
from roeh.custody.link import EvidenceLink
from roeh.ledger.records import FragmentEntry, Record, SegmentRecord
from roeh.verify import places
from roeh.verify.anchoring import NoteSource, check_checkpoints, sizes_of
from roeh.verify.bundles.contents import FileContent, is_there
from roeh.verify.checking import Beliefs, verify
from roeh.verify.checking import Progress as VerifyProgress
from roeh.verify.file_check import compare, pieces_of
from roeh.verify.ledger_state import LedgerState
from roeh.verify.reading import Unreadable, read_file
from roeh.verify.report import Aspect, Finding, Weight
from roeh.verify.signers import log_keys_in


class Level(enum.Enum):
    """How deep; each includes those before it."""

    INDEX = "index"
    HASHES = "hashes"
    SIGNATURES = "signatures"


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the check saw. `root` is that of the ledger as node.db holds it."""

    level: str
    records: int
    root: str
    segments: int
    files_read: int
    video_bytes_read: int
    findings: tuple[Finding, ...]

    @property
    def has_failed(self) -> bool:
        """Whether something is wrong."""
        return any(finding.weight is Weight.FAIL for finding in self.findings)


Progress = Callable[[str, int, int], None]
"""(what, done, of how many)."""


def check(
    link: EvidenceLink,
    config: NodeConfig,
    level: Level,
    *,
    beliefs: Beliefs,
    clock: Clock,
    on_progress: Progress,
) -> CheckReport:
    """Check a node's evidence.

    Raises:
        RoehError: evidence cannot answer, or the ledger's files cannot be read.
    """
    checking = _Check(link, config, beliefs, clock, on_progress)
    checking.index()
    if level is Level.HASHES:
        checking.hashes()
    elif level is Level.SIGNATURES:
        checking.signatures()
    return checking.report(level)


class _Check:
    def __init__(
        self,
        link: EvidenceLink,
        config: NodeConfig,
        beliefs: Beliefs,
        clock: Clock,
        on_progress: Progress,
    ) -> None:
        self._link = link
        self._config = config
        self._data_dir = Path(config.paths.data_dir)
        self._beliefs = beliefs
        self._clock = clock
        self._on_progress = on_progress
        self._findings: list[Finding] = []
        own = places.notes_in(ledger_dir(config))
        self._notes = [*(NoteSource(n, text, True) for n, text in own), *beliefs.checkpoints]
        self._state = LedgerState(sizes_of(self._notes))
        self._kept = KeptRecords()
        # What each segment's record says, as a hash: rows are compared by it.
        self._recorded: dict[int, bytes] = {}
        self._segments: tuple[SegmentRow, ...] = ()
        self._files_read = self._bytes_read = 0

    def report(self, level: Level) -> CheckReport:
        """What was seen."""
        roots = self._state.roots
        findings = tuple(dict.fromkeys(self._findings))
        return CheckReport(
            level=level.value,
            records=roots.size,
            root=roots.root().hex(),
            segments=len(self._segments),
            files_read=self._files_read,
            video_bytes_read=self._bytes_read,
            findings=findings,
        )

    # The first level

    def index(self) -> None:
        """Rows, records, mirror, checkpoint, and which files are there."""
        # Rows first: what is added meanwhile has its record in what is read after them.
        holdings = read_all(self._link)
        self._segments = holdings.segments
        self._read_records()
        self._findings += self._state.findings
        self._check_checkpoints()
        self._check_rows(holdings)
        self._check_files()

    def _read_records(self) -> None:
        mirrored = places.ledger_lines(ledger_dir(self._config))
        differs = False
        for leaf, raw in enumerate(self._records()):
            self._state.take(raw, 0, 0)
            self._take_record(raw)
            line = next(mirrored, None)
            if line is not None and line[0] != raw and not differs:
                differs = True
                self._find(
                    Aspect.COMPLETE,
                    "mirror_differs",
                    "node.db and the mirror say different things: one of them was edited",
                    leaf=leaf,
                )
        size = self._state.roots.size
        behind = sum(1 for _ in mirrored)
        if behind and not self._has_record(size):
            self._find(
                Aspect.COMPLETE,
                "index_behind_mirror",
                f"the mirror holds {behind} records that node.db does not hold",
                leaf=size,
            )

    def _records(self, first: int = 0) -> Iterator[bytes]:
        after = first - 1
        while True:
            page = self._link.call(Verb.RECORDS_PAGE, RecordsRequest(after=after), RecordsPage)
            if not page.records:
                return
            yield from page.records
            after += len(page.records)
            self._on_progress("records", after + 1, page.size)

    def _has_record(self, leaf: int) -> bool:
        return next(self._records(leaf), None) is not None

    def _take_record(self, raw: bytes) -> None:
        try:
            record = msgspec.json.decode(raw, type=Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The state has told this already.
            return
        if isinstance(record.body, SegmentRecord):
            self._recorded[record.leaf] = _hash_of_record(record.body)
        self._kept.take(record)

    def _check_checkpoints(self) -> None:
        place = places.place_at(self._data_dir)
        keys = log_keys_in([*self._beliefs.certificates, *places.pem_files(place)])
        anchoring = check_checkpoints(
            self._state.roots,
            f"roeh/{self._config.node.site}/{self._config.node.name}",
            self._notes,
            keys,
            self._beliefs.witnesses,
        )
        self._findings += anchoring.findings

    def _check_rows(self, holdings: Holdings) -> None:
        known = set[int]()
        for row in self._segments:
            if row.leaf is None:
                continue
            known.add(row.leaf)
            recorded = self._recorded.get(row.leaf)
            if recorded is None:
                self._find(
                    Aspect.COMPLETE,
                    "row_unfounded",
                    "the index names a record for this segment that is none of a segment",
                    path=self._path(row),
                    leaf=row.leaf,
                )
            elif row.is_present and recorded != _hash_of_row(row):
                self._report_edited(row, row.leaf)
        there = {
            place.leaf for numbers in self._state.segments.values() for place in numbers.values()
        }
        newest = max(known, default=-1)
        for leaf in sorted(there - known):
            # One that was closed since the rows were read has a later record than all of them.
            if leaf < newest or not self._link.is_running:
                self._find(
                    Aspect.COMPLETE,
                    "row_missing",
                    "the ledger records a segment that the index does not know",
                    leaf=leaf,
                )
        self._findings += self._kept.compare(holdings.locks, holdings.holds)

    def _report_edited(self, row: SegmentRow, leaf: int) -> None:
        """Say which GOP's row is not what the ledger records."""
        record = self._segment_record(leaf)
        gop: int | None = None
        if record is not None:
            pairs = itertools.zip_longest(row.fragments, record.fragments)
            for number, (stored, recorded) in enumerate(pairs, 1):
                if (
                    stored is None
                    or recorded is None
                    or (stored.size_bytes, stored.sha256, stored.t_first_mono_us)
                    != (recorded.size_bytes, recorded.sha256, recorded.t_first_mono_us)
                ):
                    gop = number
                    break
        self._find(
            Aspect.COMPLETE,
            "row_edited",
            "the index says something else of this segment than the ledger",
            path=self._path(row),
            gop=gop,
            leaf=leaf,
        )

    def _check_files(self) -> None:
        files = {
            file.shown: file.content.size_bytes()
            for stream in places.place_at(self._data_dir).streams
            for file in stream.files
            if is_there(file.content)
        }
        for row in self._segments:
            size_bytes = files.pop(self._path(row), None)
            if not row.is_present:
                if size_bytes is not None and not self._link.is_running:
                    self._note("pruned_present", "deleted by rule and still there", row)
            elif size_bytes is None:
                if self._is_still_present(row):
                    self._find(
                        Aspect.COMPLETE,
                        "segment_missing",
                        "the index has this segment, and its file is not there",
                        path=self._path(row),
                        leaf=row.leaf,
                    )
            elif row.end_reason is not None and size_bytes != row.size_bytes:
                self._find(
                    Aspect.BYTES,
                    "size_wrong",
                    f"the file has {size_bytes} bytes, the index says {row.size_bytes}",
                    path=self._path(row),
                    leaf=row.leaf,
                )
            elif size_bytes < row.size_bytes:
                self._find(
                    Aspect.BYTES,
                    "truncated",
                    f"the open file has {size_bytes} bytes of {row.size_bytes} acknowledged ones",
                    path=self._path(row),
                )
        for shown in sorted(files):
            if not self._begun_since(shown):
                self._find(
                    Aspect.COMPLETE, "orphan_file", "the index knows no such segment", path=shown
                )

    def _is_still_present(self, row: SegmentRow) -> bool:
        request = SegmentsRequest(after=row.row - 1, limit=1)
        page = self._link.call(Verb.SEGMENTS_PAGE, request, SegmentsPage)
        return any(each.row == row.row and each.is_present for each in page.segments)

    def _begun_since(self, shown: str) -> bool:
        """Whether the segment was begun after the rows were read."""
        after = max((row.row for row in self._segments), default=-1)
        page = self._link.call(Verb.SEGMENTS_PAGE, SegmentsRequest(after=after), SegmentsPage)
        return any(self._path(row) == shown for row in page.segments)

    # The others

    def hashes(self) -> None:
        """Every closed file against its record."""
        closed = [row for row in self._segments if row.leaf is not None and row.is_present]
        for done, row in enumerate(closed, 1):
            record = self._segment_record(row.leaf or 0)
            path = self._data_dir / self._path(row)
            if record is None:
                continue
            facts = read_file(FileContent(path), pieces_of(record), self._clock)
            if isinstance(facts, Unreadable):
                if path.exists():
                    self._find(
                        Aspect.BYTES,
                        "unreadable",
                        facts.why,
                        path=self._path(row),
                        leaf=row.leaf,
                    )
                continue
            self._files_read += 1
            self._bytes_read += facts.size_bytes
            self._findings += compare(facts, record, row.leaf or 0, self._path(row)).findings
            self._on_progress("files", done, len(closed))

    def signatures(self) -> None:
        """What the offline verifier says of the same directory."""

        def show(progress: VerifyProgress) -> None:
            self._on_progress("files", progress.files_done, progress.files)

        report = verify(self._data_dir, self._beliefs, self._clock, show)
        self._files_read = len(report.files)
        self._bytes_read = sum(file.size_bytes for file in report.files)
        gone = {self._path(row) for row in self._segments if not self._is_still_there(row)}
        self._findings += [
            finding
            for finding in report.findings
            if finding.aspect is not Aspect.TIME
            and not (finding.what == "segment_missing" and finding.path in gone)
        ]

    def _is_still_there(self, row: SegmentRow) -> bool:
        return (self._data_dir / self._path(row)).exists() or self._is_still_present(row)

    def _segment_record(self, leaf: int) -> SegmentRecord | None:
        request = RecordsRequest(after=leaf - 1, limit=1)
        page = self._link.call(Verb.RECORDS_PAGE, request, RecordsPage)
        if not page.records:
            return None
        record = msgspec.json.decode(page.records[0], type=Record)
        return record.body if isinstance(record.body, SegmentRecord) else None

    def _path(self, row: SegmentRow) -> str:
        return f"segments/{row.camera_id}/{row.segment:08d}.mp4"

    def _note(self, what: str, detail: str, row: SegmentRow) -> None:
        self._findings.append(
            Finding(
                aspect=Aspect.COMPLETE,
                weight=Weight.NOTE,
                what=what,
                detail=detail,
                path=self._path(row),
                leaf=row.leaf,
            )
        )

    def _find(
        self,
        aspect: Aspect,
        what: str,
        detail: str,
        *,
        path: str | None = None,
        gop: int | None = None,
        leaf: int | None = None,
    ) -> None:
        self._findings.append(
            Finding(
                aspect=aspect,
                weight=Weight.FAIL,
                what=what,
                detail=detail,
                path=path,
                gop=gop,
                leaf=leaf,
            )
        )


def _hash_of_record(record: SegmentRecord) -> bytes:
    return _hash(record, record.fragments)


def _hash_of_row(row: SegmentRow) -> bytes:
    return _hash(row, row.fragments)


def _hash(
    said: SegmentRecord | SegmentRow, fragments: Sequence[FragmentEntry | FragmentRow]
) -> bytes:
    """What record and row of a segment both say."""
    facts = (
        said.camera_id,
        said.segment,
        said.path,
        said.boot_id,
        said.t_first_mono_us,
        said.t_end_mono_us,
        said.t_utc_us,
        said.size_bytes,
        said.end_reason,
        [(f.size_bytes, f.sha256, f.gop_counter, f.t_first_mono_us) for f in fragments],
    )
    return hashlib.sha256(msgspec.msgpack.encode(facts)).digest()
