"""The Raspberry Pi camera's source, on a stand-in for picamera2 with its manners."""

from __future__ import annotations

import pytest

from roeh.core.config import LensSection, Picamera2Source, SensorSection
from roeh.sources.picamera2 import Picamera2Frames
from roeh.sources.picamera2_binding import USED
from roeh.sources.protocol import WantedVideo
from tests.picamera2_stand_in import Board, named
from tests.unit.source_conformance import (
    check_coded_pictures,
    check_kept_frames,
    check_live_times,
    check_order_and_format,
    check_released,
    check_stall_and_recovery,
    check_stop_before_start,
    check_stops_in_time,
)

GOP_S = 0.1


class NoWait:
    """A jitter that never waits."""

    def uniform(self, low, high):
        del high
        return low


def section_of(**changes):
    return Picamera2Source(**{"fps": 60.0, "stall_timeout_s": 0.3} | changes)


def sensor_of(section, **changes):
    fields = {
        "name": "gate",
        "source": section,
        "lens": LensSection(width_px=96, height_px=64, fov_deg=180),
    }
    return SensorSection(**fields | changes)


def source_on(board, clock, observer=lambda _: None, coded=None, section=None, **changes):
    section = section or section_of()
    return Picamera2Frames(
        section,
        sensor=sensor_of(section, **changes),
        clock=clock,
        observer=observer,
        coded=coded,
        video=WantedVideo(bps=500_000, gop_s=GOP_S),
        library=board.library,
        jitter=NoWait(),
    )


def built_on(board, **changes):
    return lambda clock, observer, coded: source_on(board, clock, observer, coded, **changes)


@pytest.fixture(params=["YUV420", "NV12"])
def board(request):
    board = Board(order=request.param)
    yield board
    assert board.outstanding == 0
    assert board.released_twice == 0
    assert board.died_of is None
    assert not board.is_open


def test_every_name_that_is_used_is_stood_for():
    assert [name for name in USED if named(name) is None] == []


def test_it_keeps_what_every_source_promises(board):
    def build(clock, paced, observer):
        del paced
        board.clock = clock
        return source_on(board, clock, observer)

    check_order_and_format(build)
    check_stop_before_start(build)
    check_released(build)


def test_it_keeps_what_every_live_source_promises(board):
    build = built_on(board)
    check_live_times(build)
    check_kept_frames(build)
    assert board.starved == 0


def test_a_stall_is_told_and_over_when_pictures_come_again(board):
    told = check_stall_and_recovery(built_on(board), board.is_silent.set, board.is_silent.clear)
    assert "no picture for 0.3 s" in told.detail
    assert board.opened == board.closed > 1


def test_a_stop_ends_at_once(board):
    check_stops_in_time(built_on(board), board.is_silent.set)


def test_its_coded_pictures_begin_with_a_key_and_go_on_in_groups(board):
    pictures = check_coded_pictures(built_on(board), gop_s=GOP_S)
    assert not any(picture.is_masked for picture in pictures)
