"""A pole tells by itself when one of its cameras is tampered with or gives nothing."""

from __future__ import annotations

import msgspec
import pytest

from roeh.core.clock import NS_PER_S, ClockReading, SimulatedClock
from roeh.core.config import (
    CameraBlindRule,
    CameraTamperRule,
    ComposedSource,
    FileSource,
    LensSection,
    LineCrossingRule,
    LineSection,
    NodeConfig,
    RtspSource,
    ScheduleSection,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
    parse_config,
    with_camera_rules,
)
from roeh.core.errors import ConfigError
from roeh.core.ids import ClockIds
from roeh.core.types import AlertPhase, EvidenceReference, RuleKind
from roeh.detect.alerts import AlertBuilder
from roeh.optics.configured import rig_from
from roeh.vision.rules import Finding, OrderedSchedule, RuleEngine
from roeh.vision.scene import Scene, Tamper, TamperKind
from tests.unit.rule_scenes import T0_UTC_NS, frame_at, times, track_at

LIVE = RtspSource(url="rtsp://camera.local/stream")


def pole(*rules, cameras=("dome",), source=LIVE, stop_after_s=0.0, **node):
    lens = LensSection(width_px=2048, height_px=2048, fov_deg=185.0)
    sensors = tuple(
        SensorSection(name=name, source=source, lens=lens, stop_after_s=stop_after_s)
        for name in cameras
    )
    return NodeConfig(sensors=sensors, rules=rules, **node)


def reading(t_s: float) -> ClockReading:
    return ClockReading(
        t_mono_ns=round(t_s * NS_PER_S),
        t_utc_ns=T0_UTC_NS + round(t_s * NS_PER_S),
        utc_error_ns=0,
        synchronised=True,
        boot_id="boot",
    )


def see(engine, from_s, to_s, tamper=None, camera_id="dome"):
    """Pictures of a camera; what is told, with its time."""
    seen = None if tamper is None else Tamper(kind=tamper, confidence=0.9)
    return [
        (t_s, finding)
        for t_s in times(from_s, to_s)
        for finding in engine.update(Scene(frame=frame_at(t_s, camera_id=camera_id), tamper=seen))
    ]


def wait(engine, from_s, to_s):
    """No pictures, as detect waits for them: asked twice a second."""
    return [
        (t_s, finding) for t_s in times(from_s, to_s)[::2] for finding in engine.tick(reading(t_s))
    ]


def words(found) -> list[tuple[str, str]]:
    return [(finding.phase.value, finding.label) for _, finding in found]


# Which rules there are


def test_every_pole_watches_its_cameras():
    tamper, blind = with_camera_rules(pole()).rules

    assert (tamper.name, tamper.priority) == ("camera-tamper", 7)
    assert (blind.name, blind.priority) == ("camera-blind", 8)


def test_what_is_written_takes_the_place_of_what_is_there_by_itself():
    written = CameraBlindRule(name="wall-camera-gone", after_s=60.0)

    rules = with_camera_rules(pole(written)).rules

    assert [rule.name for rule in rules] == ["wall-camera-gone", "camera-tamper"]


def test_watching_can_be_left_out():
    config = pole()
    config = msgspec.structs.replace(
        config, detect=msgspec.structs.replace(config.detect, watch_cameras=False)
    )

    assert with_camera_rules(config).rules == ()


def test_a_name_that_is_taken_is_refused():
    text = """
[[sensors]]
source = { kind = "file", path = "street.mp4" }
lens = { width_px = 640, height_px = 480, fov_deg = 60, model = "pinhole" }
[[rules]]
kind = "running"
name = "camera-blind"
"""
    with pytest.raises(ConfigError, match="'camera-blind'"):
        parse_config(text, name="node.toml")


# Tampered with


def test_a_covered_camera_is_told_once_it_lasts_and_cleared_when_it_sees_again():
    engine = RuleEngine(pole(CameraTamperRule(persist_s=3.0)))

    assert see(engine, 0, 5) == []
    ((raised_s, raised),) = see(engine, 5, 8.4, TamperKind.COVERED)
    ((cleared_s, cleared),) = see(engine, 8.4, 20)

    assert (raised_s, raised.phase, raised.label) == (8.0, AlertPhase.RAISED, "covered")
    assert (raised.evidence.first_frame_seq, raised.evidence.last_frame_seq) == (25, 40)
    # It has no place on the ground: the foot of the pole stands for it.
    assert (raised.position.east_m, raised.position.north_m, raised.track_ids) == (0, 0, ())
    assert (cleared_s, cleared.phase, cleared.number) == (8.4, AlertPhase.CLEARED, raised.number)


def test_what_is_over_sooner_is_let_be():
    engine = RuleEngine(pole(CameraTamperRule(persist_s=3.0)))

    assert see(engine, 0, 2.8, TamperKind.COVERED) == []
    assert see(engine, 2.8, 10) == []


def test_only_the_kinds_that_are_asked_for_are_told():
    engine = RuleEngine(pole(CameraTamperRule(kinds=("turned",), persist_s=0.0)))

    assert see(engine, 0, 10, TamperKind.DEFOCUSED) == []
    assert words(see(engine, 10, 11, TamperKind.TURNED)) == [("raised", "turned")]


def test_another_thing_that_is_done_is_another_alert():
    engine = RuleEngine(pole(CameraTamperRule(persist_s=1.0)))
    see(engine, 0, 5, TamperKind.COVERED)

    found = words(see(engine, 5, 10, TamperKind.TURNED))

    assert found == [("cleared", "covered"), ("raised", "turned")]


def test_what_looks_now_like_one_thing_and_now_like_another_has_lasted_all_the_same():
    engine = RuleEngine(pole(CameraTamperRule(persist_s=5.0)))
    see(engine, 0, 3, TamperKind.COVERED)
    see(engine, 3, 4, TamperKind.MOVED)

    assert words(see(engine, 4, 6, TamperKind.COVERED)) == [("raised", "covered")]


def test_two_cameras_are_told_apart():
    engine = RuleEngine(pole(CameraTamperRule(persist_s=1.0), cameras=("dome", "wall")))
    see(engine, 0, 3, TamperKind.COVERED)

    found = see(engine, 3, 6, TamperKind.COVERED, camera_id="wall")

    assert words(found) == [("raised", "covered")]
    assert [finding.evidence.camera_id for _, finding in found] == ["wall"]
    assert words(see(engine, 6, 9)) == [("cleared", "covered")]


# Blind


def test_a_camera_that_falls_silent_is_told_although_nothing_comes():
    engine = RuleEngine(pole())
    assert see(engine, 0, 5) == []

    ((raised_s, raised),) = wait(engine, 5, 30)
    ((cleared_s, cleared),) = see(engine, 40, 45)

    last_s = 4.8
    assert last_s + 10 <= raised_s <= last_s + 10.6
    assert (raised.phase, raised.label, raised.priority) == (AlertPhase.RAISED, "blind", 8)
    # It rests on the last picture there was.
    assert raised.evidence == EvidenceReference("dome", 24, 24, 4_800_000, 4_800_000)
    assert (cleared_s, cleared.phase) == (40.0, AlertPhase.CLEARED)


def test_a_camera_that_never_gave_a_picture_is_told_too():
    engine = RuleEngine(pole())

    ((raised_s, raised),) = wait(engine, 100, 130)

    assert 110 <= raised_s <= 110.6
    assert raised.evidence == EvidenceReference("dome", 0, 0, 100_000_000, 100_000_000)


def test_a_silent_camera_is_told_by_the_pictures_of_another():
    engine = RuleEngine(pole(cameras=("dome", "wall")))
    see(engine, 0, 1, camera_id="wall")

    found = see(engine, 1, 20)

    assert words(found) == [("raised", "blind")]
    assert found[0][1].subject.sensor == "wall"


@pytest.mark.parametrize(
    "ending",
    [
        {"source": FileSource(path="street.mp4")},
        {"source": ComposedSource(duration_s=20)},
        {"source": LIVE, "stop_after_s": 20.0},
    ],
)
def test_footage_that_ends_is_no_blind_camera(ending):
    engine = RuleEngine(pole(**ending))

    assert see(engine, 0, 5) + wait(engine, 5, 60) == []


def test_a_machine_that_slept_has_not_watched():
    engine = RuleEngine(pole())
    see(engine, 0, 5)

    # Suspended for an hour; the camera wakes up a little after detect.
    assert wait(engine, 3600, 3605) + see(engine, 3605, 3610) == []


def yard(*rules):
    return RuleEngine(
        pole(
            *rules,
            zones=(ZoneSection(name="yard", polygon_m=((0, 0), (10, 0), (10, 10), (0, 10))),),
            lines=(LineSection(name="gate", from_m=(5, 0), to_m=(5, 10)),),
            # 22:13:20 is the time of the first frame.
            schedules=(ScheduleSection(name="evening", start="20:00", end="22:14"),),
        )
    )


def walk(engine, from_s, to_s):
    """Somebody goes east through the yard, 2 m/s."""
    return told_by(
        engine,
        from_s,
        to_s,
        lambda t_s: Scene(frame=frame_at(t_s), tracks=(track_at(1 + 2 * t_s, 5, t_s),)),
    )


def told_by(engine, from_s, to_s, scene_at):
    return [
        (finding.rule, finding.phase.value)
        for t_s in times(from_s, to_s)
        for finding in engine.update(scene_at(t_s))
        if finding.rule_kind is not RuleKind.CAMERA_BLIND
    ]


def silence(engine, from_s, to_s):
    return [
        (t_s, finding.rule, finding.phase.value)
        for t_s, finding in wait(engine, from_s, to_s)
        if finding.rule_kind is not RuleKind.CAMERA_BLIND
    ]


def test_who_was_in_a_zone_when_pictures_ended_is_neither_gone_nor_new():
    rule = ZoneEntryRule(name="yard", zone="yard", min_frames=1, of_frames=1)
    engine = yard(rule)
    assert walk(engine, 0, 3) == [("yard", "raised")]

    # For however long nobody sees it, it stands; with the next pictures it is judged again.
    assert silence(engine, 3, 600) == []
    empty = told_by(engine, 600, 605, lambda t_s: Scene(frame=frame_at(t_s)))
    assert [what for what in empty if what[1] != "updated"] == [("yard", "cleared")]


def test_what_ends_by_itself_ends_without_pictures_too():
    engine = yard(LineCrossingRule(name="gate", line="gate"))
    assert walk(engine, 0, 4) == [("gate", "raised")]

    ((cleared_s, *what),) = silence(engine, 4, 30)

    assert what == ["gate", "cleared"]
    assert 13.8 <= cleared_s <= 14.6
    assert told_by(engine, 30, 35, lambda t_s: Scene(frame=frame_at(t_s))) == []


def test_a_rule_whose_hours_end_clears_although_no_picture_comes():
    rule = ZoneEntryRule(name="yard", zone="yard", min_frames=1, of_frames=1, schedule="evening")
    engine = yard(rule)
    assert walk(engine, 0, 3) == [("yard", "raised")]

    ((cleared_s, *what),) = silence(engine, 3, 60)

    # 22:14:00 is 40 s after the first frame.
    assert (what, 40 <= cleared_s <= 40.6) == (["yard", "cleared"], True)


def test_a_rule_that_is_ordered_off_clears_although_no_picture_comes():
    rule = ZoneEntryRule(name="yard", zone="yard", min_frames=1, of_frames=1)
    engine = yard(rule)
    walk(engine, 0, 3)
    engine.order("yard", OrderedSchedule(is_on=False, until_mono_ns=3600 * NS_PER_S))

    assert [what for _, *what in silence(engine, 3, 60)] == [["yard", "cleared"]]


def test_an_alert_without_a_picture_tells_the_time_and_has_none():
    config = pole()
    engine = RuleEngine(config)
    builder = AlertBuilder(config, rig_from(config), ClockIds(SimulatedClock()), {})
    see(engine, 0, 5)
    ((_, raised),) = wait(engine, 5, 30)
    ((_, cleared),) = see(engine, 40, 41)

    first = builder.build_without_picture(raised, reading(15.0))
    last = builder.build_without_picture(cleared, reading(40.0))

    assert (first.thumbnail, first.draft.thumbnail_sha256, first.draft.model_sha256) == (None,) * 3
    assert (first.draft.t_mono_us, first.draft.boot_id) == (15_000_000, "boot")
    assert (first.draft.label, first.draft.where.range_m) == ("blind", 0)
    assert last.draft.raised_id == first.draft.id


def test_a_finding_is_told_from_one_of_another_camera():
    found: list[Finding] = []
    engine = RuleEngine(pole(cameras=("dome", "wall")))
    found += [finding for _, finding in wait(engine, 0, 30)]

    assert sorted(finding.subject.sensor for finding in found) == ["dome", "wall"]
    assert len({finding.number for finding in found}) == 2
