"""Whoever may not ask the kernel believes what evidence told just now, and nothing else."""

import os

import msgspec
import pytest

from roeh.core.clock import NS_PER_S, UNKNOWN_DISCIPLINE, Discipline, SimulatedClock
from roeh.core.told_clock import ToldClock, tell_clock

KEPT = Discipline(True, 2_000_000)
#: Half a second and more: the file is looked at again.
MOMENT_S = 0.6


@pytest.fixture
def clock():
    return SimulatedClock(t_mono_ns=1000 * NS_PER_S, utc_error_ns=2_000_000)


@pytest.fixture
def file(tmp_path, clock):
    path = tmp_path / "run" / "clock.json"
    tell_clock(path, clock)
    return path


def told_by(path, owner_uid=None):
    return ToldClock(path, os.geteuid() if owner_uid is None else owner_uid)


def at(told, clock):
    now = clock.read()
    return told.at(now.t_mono_ns, now.t_utc_ns, now.boot_id)


def test_what_was_told_just_now_is_believed(file, clock):
    assert at(told_by(file), clock) == KEPT


def test_the_bound_grows_as_the_kernel_s_own_and_ends_after_a_minute(file, clock):
    told = told_by(file)
    clock.advance(60.0)
    assert at(told, clock) == Discipline(True, 2_000_000 + 60 * 500_000)
    clock.advance(0.001)
    assert at(told, clock) == UNKNOWN_DISCIPLINE
    clock.advance(MOMENT_S)
    tell_clock(file, clock)
    assert at(told, clock) == KEPT


def test_a_kernel_that_lost_its_source_is_heard_of_at_the_next_telling(file, clock):
    told = told_by(file)
    assert at(told, clock) == KEPT
    clock.advance(MOMENT_S)
    now = clock.read()
    free = SimulatedClock(t_mono_ns=now.t_mono_ns, t_utc_ns=now.t_utc_ns, synchronised=False)
    tell_clock(file, free)
    assert at(told, clock) == UNKNOWN_DISCIPLINE


def test_a_clock_that_was_set_meanwhile_is_not_known_until_it_is_told_anew(file, clock):
    for step_s in (3600.0, -3600.0, 0.1):
        told = told_by(file)
        assert at(told, clock) == KEPT
        clock.step_utc(step_s)
        assert at(told, clock) == UNKNOWN_DISCIPLINE
        clock.advance(MOMENT_S)
        tell_clock(file, clock)
        assert at(told, clock) == KEPT


def test_a_smaller_step_is_part_of_the_bound(file, clock):
    clock.step_utc(-0.03)
    assert at(told_by(file), clock) == Discipline(True, 32_000_000)


def test_what_another_boot_or_the_future_told_says_nothing(file, clock):
    now = clock.read()
    another = msgspec.structs.replace(now, boot_id="00000000-0000-4000-8000-000000000001")
    later = msgspec.structs.replace(now, t_mono_ns=now.t_mono_ns + 2 * NS_PER_S)
    for strange in (another, later):
        file.write_bytes(msgspec.json.encode(strange))
        assert at(told_by(file), clock) == UNKNOWN_DISCIPLINE


def test_a_file_that_is_not_evidence_s_own_is_not_believed(file, clock):
    assert at(told_by(file, owner_uid=os.geteuid() + 1), clock) == UNKNOWN_DISCIPLINE
    real = file.rename(file.with_name("another"))
    file.symlink_to(real)
    assert at(told_by(file), clock) == UNKNOWN_DISCIPLINE
    file.unlink()
    os.mkfifo(file)
    assert at(told_by(file), clock) == UNKNOWN_DISCIPLINE


@pytest.mark.parametrize("content", [b"", b"{}", b'{"t_mono_ns": "now"}', b"\xff" * 5000])
def test_what_cannot_be_read_says_nothing(file, clock, content):
    file.write_bytes(content)
    assert at(told_by(file), clock) == UNKNOWN_DISCIPLINE


def test_nobody_sees_half_a_file_and_a_link_is_not_followed(file, clock):
    """What lies under the name that is written to first is taken away."""
    precious = file.with_name("precious")
    precious.write_text("kept")
    fresh = file.with_name(".clock.json.new")
    fresh.symlink_to(precious)
    clock.advance(MOMENT_S)
    tell_clock(file, clock)
    assert at(told_by(file), clock) == KEPT
    assert precious.read_text() == "kept"
    assert not fresh.exists()
    assert file.stat().st_mode & 0o777 == 0o644
