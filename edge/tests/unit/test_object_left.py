"""An object is left when it has stood and nobody has stayed with it; nobody else clears it."""

import msgspec

from roeh.core.config import ObjectLeftRule, ZoneSection
from roeh.core.types import Covariance, GroundPoint
from roeh.vision.rules import RuleEngine
from roeh.vision.scene import Scene, StillObject
from tests.unit.rule_scenes import frame_at, node, phases, times, track_at

RULE = ObjectLeftRule(name="left", still_s=30.0, owner_m=3.0, cool_down_s=0.0)
BAG_M = (4.0, 6.0)
SINCE_S = 10.0


def bag(*, number=1, sensor="dome", place=BAG_M, since_s=SINCE_S):
    return StillObject(
        number=number,
        sensor=sensor,
        position=GroundPoint(place[0], place[1], Covariance(0.01, 0.0, 0.01)),
        outline_sensor_px=((10, 10), (20, 10), (20, 20), (10, 20)),
        since=frame_at(since_s, camera_id=sensor),
        confidence=0.9,
    )


def stands(from_s=SINCE_S + 3, until_s=1e9, **one):
    """The bag, as told a few seconds after it came to stand."""
    return lambda t_s: (bag(**one),) if from_s <= t_s < until_s else ()


def owner(*, leaves_s=15.0, returns_s=1e9):
    """Somebody who stands by it, walks off and perhaps comes back."""

    def at(t_s):
        away_m = 1.0 if t_s < leaves_s or t_s >= returns_s else 1.0 + 1.3 * (t_s - leaves_s)
        return [track_at(BAG_M[0] + away_m, BAG_M[1], t_s)]

    return at


def play(objects, people, until_s=80.0, rule=RULE, **sections):
    engine = RuleEngine(node(rule, **sections))
    return [
        (t_s, finding)
        for t_s in times(0, until_s)
        for finding in engine.update(
            Scene(frame=frame_at(t_s), tracks=tuple(people(t_s)), still_objects=objects(t_s))
        )
    ]


def nobody(t_s):
    return []


def test_it_is_told_once_it_has_stood_for_so_long_and_is_cleared_when_it_is_gone():
    found = play(stands(until_s=60), owner())

    assert [phase for phase in phases(found) if phase != "updated"] == ["raised", "cleared"]
    t_s, raised = found[0]
    assert t_s == SINCE_S + 30
    assert (raised.label, raised.confidence, raised.track_ids) == ("object", 0.9, ())
    assert raised.evidence.first_frame_seq == frame_at(SINCE_S).seq
    assert found[-1][0] == 60.0


def test_who_stays_with_their_things_has_not_left_them():
    assert play(stands(), owner(leaves_s=1e9)) == []


def test_who_returns_in_time_has_not_left_them():
    assert play(stands(), owner(leaves_s=15, returns_s=38)) == []


def test_who_stood_long_with_it_leaves_it_when_they_go():
    (first, *_) = play(stands(), owner(leaves_s=60))
    # 3 m at 1.3 m/s from 1 m away, and five seconds alone.
    assert 65.0 < first[0] < 68.0


def test_what_nobody_was_seen_to_bring_counts_less():
    ((_, raised), *_) = play(stands(), nobody)
    assert raised.confidence == 0.9 * 0.6


def test_once_left_it_stays_so_whoever_comes_to_look():
    found = play(stands(), owner(leaves_s=15, returns_s=50))
    assert "cleared" not in phases(found)


def test_two_cameras_that_show_it_tell_one_object():
    engine = RuleEngine(node(RULE))
    told = [
        finding
        for t_s in times(0, 60)
        for sensor, place in (("dome", BAG_M), ("gate", (4.3, 6.4)))
        for finding in engine.update(
            Scene(
                frame=frame_at(t_s, camera_id=sensor),
                still_objects=stands(sensor=sensor, place=place)(t_s),
            )
        )
    ]
    assert [one.phase.value for one in told].count("raised") == 1


def test_outside_its_zone_nothing_is_left():
    yard = ZoneSection(name="yard", polygon_m=((-9, -9), (-1, -9), (-1, -1)))
    rule = msgspec.structs.replace(RULE, zone="yard")
    assert play(stands(), nobody, rule=rule, zones=(yard,)) == []


def two_cameras(dome, wall, until_s=150.0):
    """Both look at the place: what each shows of it at a time; None: it gives no picture."""
    engine = RuleEngine(node(RULE))
    return [
        (t_s, finding)
        for t_s in times(0, until_s)
        for camera, shows in (("dome", dome), ("wall", wall))
        if shows(t_s) is not None
        for finding in engine.update(
            Scene(
                frame=frame_at(t_s, camera_id=camera),
                still_objects=(bag(sensor=camera),) if shows(t_s) else (),
            )
        )
        if finding.phase.value != "updated" and finding.rule == "left"
    ]


def there(until_s, *, silent_s=1e9):
    return lambda t_s: None if t_s >= silent_s else 13.0 <= t_s < until_s


def test_what_one_camera_loses_from_sight_stands_while_another_shows_it():
    found = two_cameras(there(60), there(90))
    assert (phases(found), found[1][0]) == (["raised", "cleared"], 90.0)


def test_a_camera_that_cannot_see_it_does_not_end_it():
    assert phases(two_cameras(there(1e9), there(0))) == ["raised"]


def test_of_cameras_that_showed_it_those_that_still_give_pictures_decide():
    # The wall camera falls silent at 70 s, when it still showed it.
    found = two_cameras(there(100), there(1e9, silent_s=70))
    assert (phases(found), found[1][0]) == (["raised", "cleared"], 100.0)
    # It was the last that did: nobody can tell that it is gone, but who has pictures.
    found = two_cameras(there(60), there(1e9, silent_s=70))
    assert phases(found) == ["raised", "cleared"]
    assert 79.8 <= found[1][0] <= 80.4
    # No other camera ever showed it: it stands until its own is back.
    assert phases(two_cameras(there(0), there(1e9, silent_s=70))) == ["raised"]


def test_when_all_cameras_come_back_the_first_does_not_speak_for_the_others():
    def away(shows):
        return lambda t_s: None if 60 <= t_s < 100 else shows(t_s)

    assert phases(two_cameras(away(there(50)), away(there(1e9)))) == ["raised"]
