"""One place asks the system for the time, and says how far it may be off."""

import ast
import ctypes
import threading
from pathlib import Path

import pytest

import roeh
from roeh.core.clock import UNSYNCHRONISED_ERROR_NS, SimulatedClock, SystemClock

ROEH = Path(roeh.__file__).parent
TIME_ERROR = 5


class NtpTimeval(ctypes.Structure):
    """`struct ntptimeval` of ntp_gettime(3): another way to the kernel's error bound."""

    _fields_ = (
        ("time", ctypes.c_long * 2),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("reserved", ctypes.c_long * 8),
    )


def test_the_error_bound_is_the_one_the_kernel_states():
    ntp = NtpTimeval()
    state = ctypes.CDLL(None).ntp_gettime(ctypes.byref(ntp))
    reading = SystemClock().read()
    assert reading.synchronised == (state != TIME_ERROR)
    if reading.synchronised:
        # It grows by 500 parts in a million between two looks.
        assert reading.utc_error_ns // 1000 == pytest.approx(ntp.maxerror, abs=1000)
    else:
        assert reading.utc_error_ns == UNSYNCHRONISED_ERROR_NS


def test_readings_of_one_boot_move_forward_under_one_boot_id():
    clock = SystemClock()
    first, second = clock.read(), clock.read()
    assert first.t_mono_ns < second.t_mono_ns
    assert first.boot_id == second.boot_id
    assert first.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_waiting_ends_when_stop_is_set():
    clock, stop = SystemClock(), threading.Event()
    threading.Timer(0.02, stop.set).start()
    started_ns = clock.mono_ns()
    assert clock.wait(60.0, stop)
    assert clock.mono_ns() - started_ns < 30e9


def test_waiting_ends_when_the_time_has_passed():
    clock = SystemClock()
    assert not clock.wait(0.001)
    assert not clock.wait(0.001, threading.Event())
    assert not clock.wait(-1.0, threading.Event())


def test_simulated_time_moves_only_when_told():
    clock = SimulatedClock()
    before = clock.read()
    assert clock.read() == before
    clock.advance(1.5)
    assert clock.mono_ns() - before.t_mono_ns == 1_500_000_000
    assert clock.read().t_utc_ns - before.t_utc_ns == 1_500_000_000


def test_simulated_utc_steps_apart_from_monotonic_time():
    clock = SimulatedClock(utc_error_ns=7, synchronised=False)
    before = clock.read()
    clock.step_utc(-3600.0)
    after = clock.read()
    assert after.t_utc_ns == before.t_utc_ns - 3600 * 10**9
    assert after.t_mono_ns == before.t_mono_ns
    assert (after.utc_error_ns, after.synchronised) == (7, False)


def test_simulated_waiting_passes_time_and_never_takes_it_back():
    clock, stop = SimulatedClock(), threading.Event()
    assert not clock.wait(2.0, stop)
    clock.wait(-5.0)
    assert clock.mono_ns() == 2_000_000_000
    stop.set()
    assert clock.wait(0.0, stop)


def asks_for_the_time(tree):
    """Lines that import `time`, or ask `datetime` what time it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name == "time" for alias in node.names):
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield node.lineno
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("now", "utcnow", "today")
            and ast.unparse(node.value)
            in ("datetime", "date", "datetime.datetime", "datetime.date")
        ):
            yield node.lineno


def test_nobody_else_asks_the_system_for_the_time():
    asking = [
        f"{path.relative_to(ROEH)}:{line}"
        for path in sorted(ROEH.rglob("*.py"))
        if path != ROEH / "core" / "clock.py"
        for line in asks_for_the_time(ast.parse(path.read_text()))
    ]
    assert asking == []
