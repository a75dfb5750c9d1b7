"""Evidence tells how the kernel keeps the clock; a process that may not ask the kernel hears it."""

import errno

import msgspec
import pyseccomp

from roeh.core.clock import ClockReading, SystemClock
from roeh.core.paths import clock_file
from roeh.core.users import told_clock
from tests.clocks import SynchronisedClock
from tests.process.children import PATIENCE_S, running_evidence, start
from tests.waiting import wait_until


def _read_where_asking_is_forbidden(config, said):
    """As `ProtectClock=` forbids it."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for call in ("adjtimex", "clock_adjtime"):
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), call)
    rules.load()
    alone = SystemClock().read()
    told = SystemClock(told_clock(config)).read()
    said.write_bytes(msgspec.json.encode([alone, told]))


def test_capture_s_clock_is_as_evidence_tells(tmp_path):
    said = tmp_path / "said"
    with running_evidence(tmp_path, clock=SynchronisedClock()) as evidence:
        process = start(_read_where_asking_is_forbidden, evidence.config, said)
        process.join(PATIENCE_S)
    assert process.exitcode == 0
    alone, told = msgspec.json.decode(said.read_bytes(), type=list[ClockReading])
    assert not alone.synchronised
    assert told.synchronised
    assert 2_000_000 <= told.utc_error_ns < 200_000_000


def test_evidence_that_cannot_tell_says_so_until_it_can(tmp_path):
    with running_evidence(tmp_path) as evidence:
        file = clock_file(evidence.config)
        wait_until(file.exists)
        assert not evidence.status().alarms
        file.unlink()
        file.mkdir()
        wait_until(lambda: any("clock is kept" in alarm for alarm in evidence.status().alarms))
        assert evidence.status().reports[0].state == "degraded"
        file.rmdir()
        wait_until(lambda: not evidence.status().alarms)
