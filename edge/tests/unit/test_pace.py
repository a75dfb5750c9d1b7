"""Which frames are offered when fewer are looked at than a camera gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.sources.pace import OfferPace


def offered(times_ns, fps):
    pace = OfferPace(fps)
    return [t for t in times_ns if pace.wants(t)]


@pytest.mark.parametrize(
    ("camera_fps", "detect_fps"), [(15, 5), (10, 5), (25, 5), (30, 10), (25, 10), (5, 5), (12, 7)]
)
def test_exactly_so_many_a_second_are_offered(camera_fps, detect_fps):
    times_ns = [n * NS_PER_S // camera_fps for n in range(20 * camera_fps)]
    assert abs(len(offered(times_ns, detect_fps)) - 20 * detect_fps) <= 1


def test_a_slower_camera_is_offered_whole():
    times_ns = [n * NS_PER_S // 4 for n in range(40)]
    assert offered(times_ns, 5.0) == times_ns


def test_a_pause_is_not_made_up_for():
    before = [n * NS_PER_S // 10 for n in range(10)]
    after = [60 * NS_PER_S + n * NS_PER_S // 10 for n in range(10)]
    assert len(offered(before + after, 5.0)) == 10


@given(
    steps_ms=st.lists(st.integers(1, 400), min_size=1, max_size=200),
    fps=st.floats(0.5, 30.0),
)
def test_never_more_often_than_asked_for_and_never_longer_without(steps_ms, fps):
    times_ns, now_ns = [], 0
    for step_ms in steps_ms:
        now_ns += step_ms * 1_000_000
        times_ns.append(now_ns)
    chosen = offered(times_ns, fps)
    assert chosen[0] == times_ns[0]
    step_ns = NS_PER_S / fps
    elapsed_ns = times_ns[-1] - times_ns[0]
    assert len(chosen) <= elapsed_ns / step_ns * (1 + 1e-6) + 2
    left_out = set(times_ns) - set(chosen)
    # Whatever was left out, something was offered less than a step before it.
    assert all(any(t - step_ns < c < t for c in chosen) for t in left_out)
