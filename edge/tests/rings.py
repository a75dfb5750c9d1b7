"""A ring of segments with all that keeps and deletes them, on a store of its own."""

import hashlib

import msgspec

from roeh.core.clock import SimulatedClock
from roeh.core.config import EvidenceSection
from roeh.core.custody import PlaceHold, ReleaseHold, Span
from roeh.core.ids import ClockIds
from roeh.core.types import EvidenceReference
from roeh.ledger.age import NodeAge
from roeh.ledger.alert_records import AlertRecords
from roeh.ledger.alerts import NodeStore
from roeh.ledger.database import NodeDatabase
from roeh.ledger.holds import Holds
from roeh.ledger.locks import Locks
from roeh.ledger.log import Log
from roeh.ledger.names import typed
from roeh.ledger.records import FragmentEntry, Record, SegmentRecord
from roeh.ledger.retention import Retention
from roeh.ledger.segments import SegmentFiles, segment_path
from tests.alert_drafts import alert_draft

BOOT = "00000000-0000-4000-8000-000000000000"
S = 1_000_000
DAY_S = 86_400
SEGMENT_S = 10
SEGMENT_BYTES = 64 * 1024


class PlainNames:
    """Persons by the names that a test gives them: known, and the same by how they are written."""

    def is_known(self, pseudonym):
        return True

    def are_same(self, one, other):
        return typed(one) == typed(other) or typed(one).key == typed(other).key


class Ring:
    """The node's store as evidence wires it; `reopen` is what a crash leaves."""

    def __init__(self, directory, clock=None, free_bytes=lambda: 1 << 40, files=None, **settings):
        self.directory = directory
        self.clock = clock or SimulatedClock(boot_id=BOOT)
        self.settings = EvidenceSection(
            **{"max_bytes": 1 << 30, "min_free_bytes": 0, "max_age_days": 1e6, **settings}
        )
        self._free_bytes = free_bytes
        self._wrap_files = files or (lambda inner: inner)
        self._ids = ClockIds(self.clock)
        self._open()

    def _open(self):
        self.database = NodeDatabase(self.directory / "node.db")
        self.log = Log(self.database, self.clock, site="harbour", node="pole-7")
        self.age = NodeAge(self.database, self.clock, self.log)
        self.age.tick()
        self.locks = Locks(self.database, self.log, self.age, self.settings)
        self.holds = Holds(self.database, self.log, self.clock, PlainNames())
        self.files = SegmentFiles(self.directory / "segments")
        self.retention = Retention(
            self.database,
            self.log,
            self.age,
            self._wrap_files(self.files),
            self.settings,
            locks=self.locks,
            holds=self.holds,
            free_bytes=self._free_bytes,
        )
        self.alert_records = AlertRecords(self.log)
        self.store = NodeStore(
            self.database,
            self.clock,
            outbox_max_bytes=1 << 20,
            witnesses=(self.alert_records.on_alert, self.locks.on_alert),
        )

    def close(self):
        self.store.wake()
        self.files.close()
        self.database.close()

    def reopen(self):
        self.close()
        self._open()

    def now_us(self):
        return self.clock.mono_ns() // 1000

    def segment(self, camera="north", seconds=SEGMENT_S, size_bytes=SEGMENT_BYTES, closed=True):
        """A segment recorded from now on; its number."""
        from_us = self.now_us()
        utc_us = self.clock.read().t_utc_ns // 1000
        self.clock.advance(seconds)
        with self.database.writing() as connection:
            (number,) = connection.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM segment WHERE camera_id = ?", (camera,)
            ).fetchone()
        content = hashlib.sha256(f"{camera} {number}".encode()).digest() * (size_bytes // 32)
        self.files.create(camera, number, content).close()
        with self.database.writing() as connection:
            self.age.advance(connection)
            row = connection.execute(
                "INSERT INTO segment (camera_id, number, state, capture_id, boot_id,"
                " t_first_mono_us, t_end_mono_us, t_utc_us, utc_error_us, synchronised,"
                " began_age_us, codec, width_px, height_px, is_masked, init_bytes, init_sha256,"
                " size_bytes, fragments) VALUES (?, ?, 'open', '', ?, ?, ?, ?, 0, 1, ?, 'h264',"
                " 640, 480, 0, 0, x'', ?, 1)",
                (
                    camera,
                    number,
                    self.clock.read().boot_id,
                    from_us,
                    self.now_us(),
                    utc_us,
                    self.age.now_us(),
                    len(content),
                ),
            ).lastrowid
            connection.execute(
                "INSERT INTO fragment VALUES (?, 0, 1, 0, ?, ?, 0, ?, ?)",
                (row, len(content), hashlib.sha256(content).digest(), from_us, self.now_us()),
            )
        if closed:
            self.close_segment(camera, number)
        return number

    def close_segment(self, camera, number, end_reason="full"):
        with self.database.writing() as connection:
            row, first, end, utc, size, boot = connection.execute(
                "SELECT row, t_first_mono_us, t_end_mono_us, t_utc_us, size_bytes, boot_id"
                " FROM segment WHERE camera_id = ? AND number = ?",
                (camera, number),
            ).fetchone()
            leaf = self.log.append(
                connection,
                SegmentRecord(
                    row=row,
                    camera_id=camera,
                    segment=number,
                    path=segment_path(camera, number),
                    boot_id=boot,
                    t_first_mono_us=first,
                    t_end_mono_us=end,
                    t_utc_us=utc,
                    utc_error_us=0,
                    synchronised=True,
                    codec="h264",
                    width_px=640,
                    height_px=480,
                    is_masked=False,
                    init_bytes=0,
                    init_sha256="",
                    size_bytes=size,
                    sha256="",
                    end_reason=end_reason,
                    fragments=(
                        FragmentEntry(
                            size_bytes=size, sha256="", gop_counter=0, t_first_mono_us=first
                        ),
                    ),
                ),
            )
            connection.execute(
                "UPDATE segment SET state = 'closed', leaf = ?, end_reason = ?, sha256 = x''"
                " WHERE row = ?",
                (leaf, end_reason, row),
            )

    def alert(self, camera="north", first_us=None, last_us=None, **fields):
        """An alert about the present, or the time given; its message."""
        now = self.clock.read()
        first_us = self.now_us() if first_us is None else first_us
        last_us = first_us if last_us is None else last_us
        draft = alert_draft(
            boot_id=now.boot_id,
            evidence=EvidenceReference(camera, 0, 1, first_us, last_us),
            **fields,
        )
        self.store.store(draft, None)
        return draft

    def hold(self, from_us, to_us, camera="north", person="A. Visser", boot=None):
        return self.holds.place(
            PlaceHold(
                hold_id=self._ids.new(),
                person=person,
                reason="case 7",
                spans=(Span(camera, boot or self.clock.read().boot_id, from_us, to_us),),
            )
        )

    def release(self, hold, person):
        return self.holds.release(ReleaseHold(hold.hold_id, person, "case closed"))

    def states(self, camera="north"):
        """Number → state of each segment."""
        with self.database.reading() as connection:
            return dict(
                connection.execute(
                    "SELECT number, state FROM segment WHERE camera_id = ?", (camera,)
                ).fetchall()
            )

    def on_disk(self):
        """Camera and number of each file."""
        files, strays = self.files.list_files()
        assert not strays
        return {(file.camera_id, file.number) for file in files}

    def records(self, body_type):
        """Bodies of that kind, oldest first."""
        return [record.body for record in self.envelopes() if isinstance(record.body, body_type)]

    def envelopes(self):
        with self.database.reading() as connection:
            raw = self.log.records(connection, 0, 1_000_000)
        return [msgspec.json.decode(record, type=Record) for record in raw]
