"""What must not change a track: where north is, and in which order detections come."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.types import Detection, Track
from roeh.vision.tracker import Tracker
from tests.unit.walkers import Circlers, Watcher, fisheye_plane, looks

LOOKS_S = 4.0
SEEDS = st.integers(0, 2**32 - 1)


def pictures(seed: int) -> list[tuple[int, list[Detection]]]:
    watcher = Watcher(np.random.default_rng(seed), doubles=True)
    people = Circlers.of(seed, people=6)
    return [(t_ns, watcher.detections(people.at(t_s))) for t_s, t_ns in looks(LOOKS_S, 5.0)]


def seen_with_heading(detections: list[Detection], heading_deg: float) -> list[Detection]:
    """The same pixels, on a pole whose forward mark points elsewhere."""
    plane = fisheye_plane(heading_deg)
    feet = np.array([d.foot_sensor_px for d in detections]).reshape(-1, 2)
    fixes = plane.fix(feet)
    return [
        msgspec.structs.replace(detection, position=point, jitter=jitter)
        for detection, point, jitter in zip(
            detections, fixes.points(), fixes.jitters(), strict=True
        )
    ]


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, heading_deg=st.floats(0, 360, exclude_max=True))
def test_turning_the_world_turns_the_tracks_and_nothing_else(seed: int, heading_deg: float):
    ahead, turned = Tracker(), Tracker()

    for t_ns, detections in pictures(seed):
        before = ahead.update(detections, t_ns)
        after = turned.update(seen_with_heading(detections, heading_deg), t_ns)

        assert [track.id for track in before] == [track.id for track in after]
        for a, b in zip(before, after, strict=True):
            assert_same_but_turned(a, b, heading_deg)


def assert_same_but_turned(a: Track, b: Track, heading_deg: float) -> None:
    turn = (b.bearing_deg - a.bearing_deg - heading_deg + 180) % 360 - 180
    assert turn == pytest.approx(0, abs=1e-6)
    assert b.range_m == pytest.approx(a.range_m, abs=1e-6)
    assert b.speed_sigma_mps == pytest.approx(a.speed_sigma_mps, rel=1e-4)
    assert (a.seen, a.confirmed, a.label) == (b.seen, b.confirmed, b.label)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_detections_does_not_matter(seed: int, shuffle: random.Random):
    one, other = Tracker(), Tracker()

    for t_ns, detections in pictures(seed):
        mixed = list(detections)
        shuffle.shuffle(mixed)

        assert one.update(detections, t_ns) == other.update(mixed, t_ns)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_ids_are_given_once_and_in_order(seed: int):
    tracker = Tracker()
    seen: set[int] = set()
    gone: set[int] = set()

    for t_ns, detections in pictures(seed):
        ids = [track.id for track in tracker.update(detections, t_ns)]
        gone |= seen - set(ids)
        seen |= set(ids)

        assert ids == sorted(set(ids))
        assert not gone & set(ids)
    assert seen == set(range(1, len(seen) + 1))
