"""Bundles are made no faster than they may be."""

import pytest

from roeh.core.clock import SimulatedClock
from roeh.retrieve.exports.build_pace import BuildPace


@pytest.mark.parametrize("piece_bytes", [1_000, 65_536, 1_000_000])
def test_so_many_bits_a_second_go_and_no_more(piece_bytes):
    clock = SimulatedClock()
    pace = BuildPace(8_000_000, clock)  # a megabyte a second
    for _ in range(10_000_000 // piece_bytes):
        pace.take(piece_bytes)
    assert clock.mono_ns() / 1e9 == pytest.approx(10.0, abs=1.1)


def test_a_pause_is_not_made_up_for():
    clock = SimulatedClock()
    pace = BuildPace(8_000_000, clock)
    pace.take(1_000_000)
    clock.advance(3600)
    begun_ns = clock.mono_ns()
    for _ in range(10):
        pace.take(1_000_000)
    assert (clock.mono_ns() - begun_ns) / 1e9 > 9
