"""What a child of the kill tests does: the product's own code, killed before its n-th durable call.

A profile function, which Python calls before every call into C, counts those that reach
the disk (os.write, os.fsync, os.unlink, ..., BEGIN and COMMIT) and sends SIGKILL before
the n-th. What SQLite writes inside one statement is cut by a limit on the size of files,
at which the kernel kills.
"""

import contextlib
import hashlib
import os
import resource
import signal
import sys

from roeh.bitstream.mp4_read import read_fragments
from roeh.core.gop import StreamEnd
from roeh.evidence.parts import EvidenceParts
from roeh.evidence.recording import recover
from roeh.ledger.database import transaction
from roeh.ledger.recovery import note_clean_end
from tests.alert_drafts import alert_draft
from tests.process.children import CLOCK
from tests.recorders import records_of

MORE = """
[evidence]
segment_s = 1.0
min_free_bytes = 0
max_bytes = 1048576
"""
#: Calls that change what is on the disk, or its order.
DURABLE = {
    os.open,
    os.write,
    os.fsync,
    os.fdatasync,
    os.ftruncate,
    os.unlink,
    os.mkdir,
    os.rename,
    os.replace,
}


def scenario(parts, recorder, gops, acknowledged):
    """A file begun, continued and closed, an alert, a checkpoint, a prune, the end."""
    for gop in gops[:3]:
        recorder.store(gop)
        acknowledged.value += 1
    parts.checkpoints.renew()
    parts.store.store(alert_draft(site=parts.config.node.site), None)
    parts.retention.make_room(parts.config.evidence.max_bytes)
    recorder.end_stream("sensor", StreamEnd.SOURCE_ENDED)
    for gop in gops[3:]:
        recorder.store(gop)
        acknowledged.value += 1


class Countdown:
    """SIGKILL before the n-th durable call of this thread."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, frame, event, called):
        if event != "c_call":
            return
        begins_or_commits = frame.f_code is transaction.__wrapped__.__code__
        if begins_or_commits or called in DURABLE:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def opened(config):
    """Parts and a recorder, as evidence opens them."""
    with contextlib.ExitStack() as closing:
        parts = EvidenceParts(config, CLOCK, closing, on_failed=lambda error: None)
        recorder = recover(parts, on_closed=lambda: None, on_lost=lambda error: None)
        yield parts, recorder


def end(parts, recorder):
    recorder.close()
    with parts.database.writing() as connection:
        note_clean_end(connection)
    parts.checkpoints.renew()


def record_until_killed(config, gops, calls, acknowledged):
    with opened(config) as (parts, recorder):
        sys.setprofile(Countdown(calls))
        scenario(parts, recorder, gops, acknowledged)
        end(parts, recorder)
        os._exit(0)


def recover_until_killed(config, gops, calls, acknowledged):
    sys.setprofile(Countdown(calls))
    with opened(config) as (parts, recorder):
        for gop in gops:
            recorder.store(gop)
            acknowledged.value += 1
        end(parts, recorder)
        os._exit(0)


def record_with_a_limit(config, gops, limit_bytes, acknowledged):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with opened(config) as (parts, recorder):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        scenario(parts, recorder, gops, acknowledged)
        end(parts, recorder)
        os._exit(0)


def check_and_finish(config, gops, acknowledged):
    """What was acknowledged is there as it was sent, and recording goes on from there."""
    with opened(config) as (parts, recorder):
        with parts.database.reading() as connection:
            rows = connection.execute("SELECT json FROM record ORDER BY leaf").fetchall()
            kept = {seq for (seq,) in connection.execute("SELECT capture_seq FROM fragment")}
            (pruned,) = connection.execute(
                "SELECT COALESCE(SUM(fragments), 0) FROM segment WHERE state = 'pruned'"
            ).fetchone()
        assert records_of(rows, "tamper") == []
        assert kept >= set(range(pruned + 1, acknowledged + 1))
        for gop in gops[pruned:]:
            recorder.store(gop)
        end(parts, recorder)
        return tell(parts)


def tell(parts):
    """What files and index hold once everything is closed; they agree to the byte."""
    with parts.database.reading() as connection:
        rows = connection.execute("SELECT json FROM record ORDER BY leaf").fetchall()
    pruned = {body.row for body in records_of(rows, "prune")}
    stored = []
    for segment in records_of(rows, "segment"):
        path = parts.files.directory / segment.path
        if segment.row in pruned:
            assert not path.exists()
            continue
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == segment.sha256
        assert len(content) == segment.size_bytes
        with path.open("rb") as file:
            stored += [fragment.units for fragment in read_fragments(file)]
    assert len(list(parts.files.directory.glob("*/*"))) == len(
        [one for one in records_of(rows, "segment") if one.row not in pruned]
    )
    return stored
