"""Loud is what is above the level and above what is usual; it is told once, with its level."""

import msgspec

from roeh.core.clock import NS_PER_S, ClockReading
from roeh.core.config import LoudNoiseRule, MicrophoneSection
from roeh.core.types import EvidenceReference
from roeh.vision.rules import RuleEngine
from roeh.vision.scene import Scene, SoundLevel
from tests.unit.rule_scenes import T0_UTC_NS, frame_at, node, phases, times

RULE = LoudNoiseRule(name="loud", level_db=70.0, above_background_db=15.0, cool_down_s=0.0)


def play(level_at, seconds, rule=RULE):
    engine = RuleEngine(node(rule, microphone=MicrophoneSection(device="plughw:1")))
    return [
        (t_s, finding)
        for t_s in times(0, seconds)
        for finding in engine.update(
            Scene(
                frame=frame_at(t_s),
                sound=None if level_at(t_s) is None else SoundLevel(level_db=level_at(t_s)),
            )
        )
    ]


def bang(t_s, at_s=20.0, level_db=92.0):
    """Of time weighting F: it falls by 35 dB in a second."""
    return max(50.0, level_db - 35 * (t_s - at_s)) if t_s >= at_s else 50.0


def test_a_bang_is_told_at_once_with_its_level_and_cleared():
    found = play(bang, 30)

    assert phases(found) == ["raised", "cleared"]
    t_s, raised = found[0]
    assert t_s == 20.0
    assert (raised.label, raised.subject.level_db) == ("noise", 92.0)
    assert (raised.position.east_m, raised.position.north_m) == (0.0, 0.0)
    assert found[1][0] < 24.0


def test_quiet_and_merely_louder_than_usual_are_no_noise():
    assert play(lambda t_s: 50.0, 30) == []
    assert play(lambda t_s: bang(t_s, level_db=69.0), 30) == []


def test_where_it_is_always_loud_only_what_stands_out_is_told():
    assert play(lambda t_s: 80.0 + (t_s % 2), 30) == []
    assert phases(play(lambda t_s: 97.0 if 20 <= t_s < 21 else 80.0, 30))[0] == "raised"


def test_it_has_to_last_as_long_as_asked_for():
    lasting = msgspec.structs.replace(RULE, duration_s=2.0)
    assert play(bang, 30, lasting) == []
    twice = play(lambda t_s: 90.0 if t_s in (20.0, 21.0, 22.0, 23.0) else 50.0, 30, lasting)
    assert twice == []
    ((t_s, _), *_) = play(lambda t_s: 90.0 if t_s >= 20 else 50.0, 30, lasting)
    assert t_s == 22.0


def test_three_decibels_of_wavering_are_one_noise():
    wavering = play(
        lambda t_s: 50.0 if t_s < 20 else 70.0 + (2.0 if round(t_s * 5) % 2 else -2.0), 30
    )
    assert phases(wavering)[0] == "raised"
    assert phases(wavering)[1:] == ["updated"]


def test_a_noise_that_lasts_for_minutes_becomes_usual():
    found = play(lambda t_s: 90.0 if t_s >= 20 else 60.0, 240)
    assert phases(found)[-1] == "cleared"


def test_frames_without_news_of_the_sound_change_nothing():
    found = play(lambda t_s: bang(t_s) if round(t_s * 5) % 2 == 0 else None, 30)
    assert phases(found) == ["raised", "cleared"]


def test_without_a_microphone_nothing_is_heard():
    assert play(lambda t_s: None, 30) == []


def reading(t_s):
    t_ns = round(t_s * NS_PER_S)
    return ClockReading(t_ns, T0_UTC_NS + t_ns, 0, synchronised=True, boot_id="boot")


def test_a_bang_is_heard_while_no_camera_gives_a_picture():
    engine = RuleEngine(node(RULE, microphone=MicrophoneSection(device="plughw:1")))
    found = [
        (t_s, finding)
        for t_s in times(0, 10)
        for finding in engine.update(Scene(frame=frame_at(t_s), sound=SoundLevel(level_db=50.0)))
    ]
    found += [
        (t_s, finding)
        for t_s in times(10, 30)
        for finding in engine.tick(reading(t_s), SoundLevel(level_db=bang(t_s)))
        if finding.rule == "loud"
    ]

    assert phases(found) == ["raised", "cleared"]
    (t_s, raised), _ = found
    assert (t_s, raised.subject.level_db) == (20.0, 92.0)
    # It rests on no picture, and belongs to the recording of the pole's first camera.
    assert raised.evidence == EvidenceReference("sensor", 0, 0, 20_000_000, 20_000_000)


def test_a_bang_of_before_the_pictures_came_back_is_told_once():
    engine = RuleEngine(node(RULE, microphone=MicrophoneSection(device="plughw:1")))
    found = []
    for t_s in times(0, 40):
        sound = SoundLevel(level_db=bang(t_s))
        # Pictures come back with the bang, and were under way for a moment.
        told = (
            engine.tick(reading(t_s), sound)
            if t_s <= 20
            else engine.update(Scene(frame=frame_at(t_s - 0.4), sound=sound))
        )
        found += [(t_s, one) for one in told if one.rule == "loud"]

    assert phases(found) == ["raised", "cleared"]
    assert all(finding.dwell_s >= 0 for _, finding in found)
