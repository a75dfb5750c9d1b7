"""The node's status does not go on believing a process that fell silent."""

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.peers import NodeStatusRequest, Role, Verb
from roeh.core.types import ProcessReport
from roeh.evidence.service import EvidenceService
from tests.stores import AloneStore


@pytest.fixture
def clock():
    return SimulatedClock(t_mono_ns=60_000_000_000)


@pytest.fixture
def service(tmp_path, clock):
    store = AloneStore(tmp_path / "node.db", clock, outbox_max_bytes=1 << 20)
    yield EvidenceService(store, clock, on_progress=lambda: None)
    store.close()


def say(service, clock, state, role=Role.DETECT):
    report = ProcessReport(role.value, state, "", clock.mono_ns() // 1000, {"frames": 3.0})
    service.handle(role, Verb.PROCESS_REPORT, report)


def report_of(service, role=Role.DETECT):
    status = service.handle(Role.SUPERVISE, Verb.NODE_STATUS, NodeStatusRequest())
    (report,) = [report for report in status.reports if report.process == role.value]
    return report


def test_a_process_that_says_nothing_any_more_is_not_well(service, clock):
    say(service, clock, "ok")
    clock.advance(14.0)
    assert report_of(service).state == "ok"
    clock.advance(2.0)
    silent = report_of(service)
    assert (silent.state, silent.detail) == ("degraded", "no report for more than 15 s")
    assert silent.counters == {"frames": 3.0}
    say(service, clock, "ok")
    assert report_of(service).state == "ok"


def test_a_capture_that_says_nothing_any_more_is_blind(service, clock):
    say(service, clock, "ok", Role.CAPTURE)
    clock.advance(16.0)
    assert report_of(service, Role.CAPTURE).state == "blind"


def test_a_process_that_stopped_need_not_say_so_again(service, clock):
    say(service, clock, "stopped")
    clock.advance(3600.0)
    assert report_of(service).state == "stopped"
