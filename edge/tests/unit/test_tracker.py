"""What a track is: when it starts, counts, coasts and ends, and what it says of itself."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.types import Detection, Track
from roeh.vision.tracker import Tracker, TrackerSettings
from tests.unit.walkers import Circlers, Watcher, detection_at, follow

FPS = 10.0


def at_s(t_s: float) -> int:
    return round(t_s * NS_PER_S)


def run(tracker: Tracker, looks: list[list[Detection]], start_s: float = 0.0) -> tuple[Track, ...]:
    tracks: tuple[Track, ...] = ()
    for number, detections in enumerate(looks):
        tracks = tracker.update(detections, at_s(start_s + number / FPS))
    return tracks


def standing(looks: int, east_m: float = 3.0, north_m: float = 4.0) -> list[list[Detection]]:
    return [[detection_at(east_m, north_m)] for _ in range(looks)]


def test_somebody_counts_after_three_looks():
    tracker = Tracker()

    assert not run(tracker, standing(2))[0].confirmed
    assert run(tracker, standing(1), start_s=0.2)[0].confirmed


def test_a_flash_that_does_not_come_back_leaves_no_track():
    tracker = Tracker()

    tracks = run(tracker, [*standing(1), [], [], []])

    assert tracks == ()


def test_somebody_seen_three_times_in_five_looks_counts():
    tracker = Tracker()
    seen = standing(1)

    tracks = run(tracker, [*seen, [], *seen, [], *seen])

    assert [track.confirmed for track in tracks] == [True]


def test_ground_that_nobody_looked_at_says_nothing_about_a_track():
    tracker = Tracker()
    run(tracker, standing(1))

    for number in range(1, 9):
        tracks = tracker.update([], at_s(number / FPS), not_looked_at=[1])

    assert [track.id for track in tracks] == [1]


def test_a_faint_detection_continues_a_track_and_never_starts_one():
    tracker = Tracker(TrackerSettings(start_confidence=0.4))
    faint = detection_at(3, 4, confidence=0.2)
    run(tracker, standing(3))

    tracks = run(tracker, [[faint, detection_at(-5, 1, confidence=0.3)]] * 50, start_s=0.3)

    assert [(track.id, track.seen) for track in tracks] == [(1, True)]


def test_a_walker_hidden_for_two_seconds_comes_back_as_the_same():
    tracker = Tracker()
    run(tracker, [[detection_at(-5 + 0.14 * n, 4)] for n in range(20)])

    coasting = tracker.update([], at_s(3.0))
    back = tracker.update([detection_at(-5 + 0.14 * 40, 4)], at_s(4.0))

    assert [(t.id, t.seen, t.last_seen_mono_ns) for t in coasting] == [(1, False, at_s(1.9))]
    assert coasting[0].position.east_m == pytest.approx(-5 + 0.14 * 30, abs=0.3)
    assert [(t.id, t.seen) for t in back] == [(1, True)]


def test_a_track_unseen_for_longer_than_it_may_coast_ends():
    tracker = Tracker(TrackerSettings(coast_s=3.0))
    run(tracker, standing(3))

    assert len(tracker.update([], at_s(3.2))) == 1
    assert tracker.update([], at_s(3.3)) == ()
    assert [track.id for track in run(tracker, standing(1), start_s=4.0)] == [2]


def test_what_comes_after_a_long_stall_of_the_camera_is_somebody_new():
    tracker = Tracker()
    run(tracker, standing(5))

    tracks = run(tracker, standing(1), start_s=60.0)

    assert [track.id for track in tracks] == [2]


def test_one_person_in_two_overlapping_tiles_is_one_track():
    tracker = Tracker()
    both = [detection_at(3, 4, confidence=0.8), detection_at(3.2, 4.1, confidence=0.6)]

    tracks = run(tracker, [both] * 10)

    assert len(tracks) == 1
    assert tracks[0].position.east_m == pytest.approx(3, abs=0.01)


def test_far_away_two_boxes_on_one_another_within_sigma_are_one_track():
    tracker = Tracker()
    near = detection_at(0, 20.0, sigma_m=0.8, confidence=0.8)
    beyond = detection_at(0, 20.9, sigma_m=0.8, confidence=0.6)
    beyond = msgspec.structs.replace(beyond, box_sensor_px=near.box_sensor_px)

    assert len(run(tracker, [[near, beyond]] * 5)) == 1


def test_two_people_a_step_apart_are_two_tracks():
    tracker = Tracker()
    pair = [detection_at(3, 4), detection_at(3.7, 4)]

    tracks = run(tracker, [pair] * 10)

    assert [track.confirmed for track in tracks] == [True, True]


def test_a_person_on_a_bicycle_is_a_person_and_a_bicycle():
    tracker = Tracker()
    both = [detection_at(3, 4), detection_at(3.1, 4, label="bicycle")]

    assert sorted(track.label for track in run(tracker, [both] * 5)) == ["bicycle", "person"]


def test_a_vehicle_that_is_now_a_car_and_now_a_truck_is_one_track_named_by_the_majority():
    tracker = Tracker()
    labels = ["car", "truck", "car", "car", "truck", "car"]

    tracks = run(tracker, [[detection_at(3, 8, label=label)] for label in labels])

    assert [(track.id, track.label) for track in tracks] == [(1, "car")]


@pytest.mark.parametrize("fps", [1.0, 5.0, 30.0])
def test_a_walker_is_one_track_with_the_right_speed_at_any_rate(fps: float):
    tracker = Tracker()

    for number in range(round(8 * fps)):
        t_s = number / fps
        tracks = tracker.update([detection_at(-5 + 1.4 * t_s, 4 - 0.3 * t_s)], at_s(t_s))

    track = tracks[0]
    assert [t.id for t in tracks] == [1]
    assert track.velocity_east_mps == pytest.approx(1.4, abs=0.1)
    assert track.velocity_north_mps == pytest.approx(-0.3, abs=0.1)
    assert 0 < track.speed_sigma_mps < 1.0


def test_looks_at_irregular_times_do_not_matter():
    tracker = Tracker()
    for t_s in [0, 0.03, 0.9, 1.0, 1.01, 2.2, 2.3, 3.9, 4.0, 5.5]:
        tracks = tracker.update([detection_at(-5 + 1.4 * t_s, 4)], at_s(t_s))

    assert [track.id for track in tracks] == [1]
    assert tracks[0].velocity_east_mps == pytest.approx(1.4, abs=0.2)


def test_a_picture_a_few_milliseconds_older_than_the_last_is_taken_as_of_the_last():
    tracker = Tracker()
    run(tracker, standing(4))

    tracks = tracker.update([detection_at(3, 4)], at_s(0.29))

    assert [(track.id, track.t_mono_ns) for track in tracks] == [(1, at_s(0.3))]


def test_a_lasting_error_does_not_average_out():
    """Tilt is wrong all day: a hundred looks make no position surer than that."""
    tracker = Tracker()

    tracks = run(tracker, [[detection_at(0, 20, sigma_m=1.0)]] * 100)

    sigma_m = math.sqrt(tracks[0].position.covariance.north_north_m2)
    assert math.sqrt(0.5) < sigma_m < 1.0


def test_a_track_says_where_it_is_and_how_long_it_was_followed():
    tracker = Tracker()

    (track,) = run(tracker, standing(21, east_m=-3, north_m=0))

    assert track.bearing_deg == pytest.approx(270)
    assert track.range_m == pytest.approx(3)
    assert track.dwell_s == pytest.approx(2.0)
    assert (track.first_seen_mono_ns, track.last_seen_mono_ns) == (0, at_s(2.0))


def test_two_who_pass_close_by_each_other_keep_their_ids_though_one_hides_the_other():
    """Where they meet only one of them is seen, for half a second."""
    tracker = Tracker()
    for number in range(60):
        t_s = number / FPS
        first, second = -4 + 1.4 * t_s, 4 - 1.4 * t_s
        detections = [detection_at(first, 6.0, confidence=0.7)]
        if abs(first - second) > 0.7:
            detections.append(detection_at(second, 6.2, confidence=0.6))
        tracks = tracker.update(detections, at_s(t_s))

    east = {track.id: track.position.east_m for track in tracks}
    assert east == {1: pytest.approx(first, abs=0.3), 2: pytest.approx(second, abs=0.3)}


@pytest.mark.parametrize("seed", [2, 26, 27, 29])
def test_two_who_meet_head_on_on_one_path_keep_their_ids(seed: int):
    """For most of a second they are one detection, of now the one and now the other."""
    pair = Circlers(
        radius_m=np.array([6.6, 6.6]),
        phase_rad=np.array([0.0, 0.65]),
        speed_mps=np.array([0.7, -0.2]),
    )

    score = follow(Tracker().update, pair, Watcher(np.random.default_rng(seed)), duration_s=9.0)

    assert (score.switches, len(score.ids)) == (0, 2)


@pytest.mark.parametrize("seed", range(10))
def test_a_track_that_coasts_takes_nothing_from_one_that_is_seen(seed: int):
    """One stops behind a tree; another comes the way that the first was thought to go."""
    rng = np.random.default_rng(seed)
    tracker = Tracker()
    for number in range(50):
        t_s = number / FPS
        coming_m = 5.0 - 1.4 * t_s
        places = rng.normal([(coming_m, 6.0)] + [(1.4 * t_s - 5.0, 6.0)] * (t_s < 2.6), 0.1)
        detections = [detection_at(e, n, sigma_m=0.14) for e, n in places if rng.random() >= 0.1]
        tracks = tracker.update(detections, at_s(t_s))
        if number == 8:
            seen = min(tracks, key=lambda track: abs(track.position.east_m - coming_m))

    assert [track.id for track in tracks if track.seen] in ([seen.id], [])


def test_detections_without_a_place_are_passed_over():
    nowhere = msgspec.structs.replace(detection_at(3, 4), position=None)

    assert run(Tracker(), [[nowhere]] * 5) == ()


def test_a_track_unseen_for_seconds_does_not_jump_to_somebody_far_away():
    tracker = Tracker()
    (before,) = run(tracker, standing(3))

    after = tracker.update([detection_at(11.0, 4.0)], at_s(3.1))

    assert [track.id for track in after if track.seen] != [before.id]


def test_a_track_unseen_for_seconds_goes_on_where_somebody_may_have_strayed_to():
    tracker = Tracker()
    (before,) = run(tracker, standing(5))

    after = tracker.update([detection_at(4.5, 5.0)], at_s(2.4))

    assert [track.id for track in after if track.seen] == [before.id]


@pytest.mark.parametrize(
    ("label", "speed_mps", "fps"),
    [("car", 15.0, 5.0), ("car", 15.0, 1.0), ("person", 5.0, 5.0), ("bicycle", 8.0, 2.0)],
)
def test_what_comes_fast_is_one_track_from_the_start(label: str, speed_mps: float, fps: float):
    tracker = Tracker()

    for number in range(6):
        t_s = number / fps
        car = detection_at(-20 + speed_mps * t_s, 8.0, label=label)
        tracks = tracker.update([car], at_s(t_s))

    assert [(track.id, track.confirmed) for track in tracks] == [(1, True)]
