"""Scenes drawn from a seed: who goes where, and the rules that watch them.

Of everything a rule is for there is its near miss: beside the zone, along the line, off
before the dwell is over, one too few, fast but walking.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import msgspec
import numpy as np

from roeh.core.config import (
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    NodeConfig,
    ObjectLeftRule,
    RuleSection,
    RunningRule,
    VehicleStoppedRule,
    ZoneEntryRule,
    ZoneSection,
)
from tests.quality.belongings import Drive, Left
from tests.quality.dispersals import dispersal_events, draw_dispersals
from tests.quality.drawn import POSITIVE_SHARE, SPURT_MPS2, Drawn
from tests.quality.lanes import Lane, lanes_of
from tests.quality.left import draw_left, left_events
from tests.quality.stages import Camera, Weather, detect_of, section_of
from tests.quality.stops import draw_stops, stop_events
from tests.quality.truth import DOUBT_SIGMAS, STEP_S, SURE_SIGMAS, Event, events_of
from tests.quality.ways import Place, Way

_DWELL_S, _STAY_RADIUS_M = 5.0, 1.0
_CROWD, _CROWD_RADIUS_M, _CROWD_S = 4, 2.0, 2.0
_FASTEST_WALK_MPS = 2.5
#: Long enough for the slowest visitor to stay for the dwell.
_VISIT_S = 10.6
#: A scene goes on for so long after the last event; one that has but half of it is doubtful.
_TO_TELL_S = 1.2
#: Farther off nobody is surely known at once.
_FARTHEST_M = 13.5


class Kind(enum.Enum):
    """What happens in a scene."""

    VISITS = "visits"
    CROWDS = "crowds"
    RUNS = "runs"
    DISPERSALS = "dispersals"
    STOPS = "stops"
    LEFT = "left"


class Scene(msgspec.Struct, frozen=True):
    """One scene, ready to be played.

    Attributes:
        ways: of its people.
        events: what the rules have to tell, and what they may.
        things, drives: what is there beside people.
    """

    seed: int
    kind: Kind
    camera: Camera
    weather: Weather
    duration_s: float
    config: NodeConfig
    ways: tuple[Way, ...]
    events: tuple[Event, ...]
    things: tuple[Left, ...] = ()
    drives: tuple[Drive, ...] = ()


class _Course(msgspec.Struct, frozen=True):
    """A visitor's way through a lane, with axes of its own, from where they stop.

    Attributes:
        towards: 1 for who comes from afar, -1 for who comes from near the pole.
        aside_rad: off the lane's direction.
    """

    lane: Lane
    towards: float
    aside_rad: float

    def place(self, before_m: float, beside_m: float = 0.0) -> Place:
        """So far still to go, and so far beside the way."""
        s, c = math.sin(self.aside_rad), math.cos(self.aside_rad)
        away_m = self.towards * (before_m * c - beside_m * s)
        return self.lane.place(away_m, before_m * s + beside_m * c)


def scene_of(kind: Kind, camera: Camera, weather: Weather, seed: int) -> Scene:
    """The scene of a seed; the same whenever it is asked for."""
    order = [list(Kind).index(kind), list(Camera).index(camera), list(Weather).index(weather)]
    drawn = _DRAW[kind](np.random.default_rng([seed, 11, *order]), camera, weather)
    config = NodeConfig(
        sensors=(section_of(camera),),
        detect=detect_of(camera),
        zones=tuple(drawn.zones),
        lines=tuple(drawn.lines),
        rules=tuple(drawn.rules),
    )
    events = _events_of(config, drawn)
    duration_s = drawn.duration_s if kind is Kind.RUNS else _ended_s(events, drawn.duration_s)
    return Scene(
        seed,
        kind,
        camera,
        weather,
        duration_s,
        config,
        tuple(drawn.ways),
        _in_view(events, duration_s),
        tuple(drawn.things),
        tuple(drawn.drives),
    )


def _events_of(config: NodeConfig, drawn: Drawn) -> tuple[Event, ...]:
    """All that is to be told, or may be, of who walks and of what is there beside people."""
    found = list(events_of(config, drawn.ways, drawn.duration_s))
    times_s = np.arange(0.0, drawn.duration_s, STEP_S)
    walks = [way.places(times_s) for way in drawn.ways]
    zones = {zone.name: zone for zone in config.zones}
    for rule in config.rules:
        match rule:
            case DispersalRule():
                found += dispersal_events(rule, walks, times_s)
            case VehicleStoppedRule():
                height_m = config.sensors[0].height_m
                for drive in drawn.drives:
                    found += stop_events(rule, zones[rule.zone], drive, height_m, times_s)
            case ObjectLeftRule():
                for left in drawn.things:
                    found += left_events(rule, left, walks, times_s)
            case _:
                # Of those `events_of` has told.
                pass
    return tuple(found)


def _ended_s(events: Sequence[Event], duration_s: float) -> float:
    """When nothing more comes true: the rest would be looked at for nothing."""
    clear_s = [event.due_s for event in events if not event.doubtful]
    return min(duration_s, max(clear_s, default=duration_s) + _TO_TELL_S)


def _in_view(events: Sequence[Event], duration_s: float) -> tuple[Event, ...]:
    """Events, doubtful where a scene ends before they can be told."""
    told_s = duration_s - _TO_TELL_S / 2
    return tuple(
        msgspec.structs.replace(event, doubtful=event.doubtful or event.due_s > told_s)
        for event in events
    )


def _everybody() -> list[RuleSection]:
    """Rules that watch everybody everywhere, in every scene."""
    return [
        CrowdRule(name="crowd", count=_CROWD, radius_m=_CROWD_RADIUS_M, duration_s=_CROWD_S),
        RunningRule(name="running"),
    ]


def _visits(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """In every lane one who walks over a line into a zone and stays; or nearly does."""
    ways: list[Way] = []
    zones: list[ZoneSection] = []
    lines: list[LineSection] = []
    rules = _everybody()
    rules.append(LoiteringRule(name="loitering", dwell_s=_DWELL_S, radius_m=_STAY_RADIUS_M))
    for number, lane in enumerate(lanes_of(camera, weather, rng)):
        towards = -1.0 if lane.both_ways and rng.random() < 0.4 else 1.0
        course = _Course(lane, towards, rng.uniform(-0.35, 0.35))
        stays = rng.random() < POSITIVE_SHARE
        start = course.place(3.4 if lane.both_ways else rng.uniform(3.3, 3.8))
        stops: list[tuple[Place, float]] = [(start, rng.uniform(0.7, 1.2))]
        stops.append((course.place(0.0), 20.0 if stays else rng.uniform(0.3, 0.7)))
        if not stays:
            stops.append((start, 20.0))
        ways.append(Way.walked(stops, rng.uniform(1.15, 1.5)))
        zones.append(_zone(rng, number, course))
        lines.append(_line(rng, number, course))
        rules.append(ZoneEntryRule(name=f"zone-{number}", zone=zones[-1].name))
        rules.append(LineCrossingRule(name=f"line-{number}", line=lines[-1].name, cool_down_s=0.0))
    return Drawn(ways, rules, _VISIT_S, zones=zones, lines=lines)


def _zone(rng: np.random.Generator, number: int, course: _Course) -> ZoneSection:
    """Round where the visitor stops, or beside the way, or beyond."""
    margin_m = course.lane.margin_m(DOUBT_SIGMAS)
    half_m = course.lane.margin_m(SURE_SIGMAS) + rng.uniform(0.3, 0.6)
    before_m, beside_m = 0.0, 0.0
    if rng.random() >= POSITIVE_SHARE:
        off_m = half_m + margin_m + rng.uniform(0.2, 0.6)
        if rng.random() < 0.5:
            before_m, beside_m = rng.uniform(0.0, 1.5), off_m * rng.choice([-1, 1])
        else:
            before_m = -off_m
    corners = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
    return ZoneSection(
        name=f"zone-{number}",
        polygon_m=tuple(
            course.place(before_m + b * half_m, beside_m + r * half_m) for b, r in corners
        ),
    )


def _line(rng: np.random.Generator, number: int, course: _Course) -> LineSection:
    """Across the way; or so that its end is passed, or one walks along it, or stops short."""
    margin_m = course.lane.margin_m(DOUBT_SIGMAS)
    half_m = margin_m + rng.uniform(0.6, 1.0)
    before_m = rng.uniform(1.5, 1.9)
    if rng.random() < POSITIVE_SHARE:
        shift_m = rng.uniform(-0.3, 0.3)
        ends = (before_m, shift_m - half_m), (before_m, shift_m + half_m)
    else:
        off_m = margin_m + rng.uniform(0.2, 0.6)
        beside_m = off_m * rng.choice([-1, 1])
        past = off_m + 2 * half_m
        ends = [
            ((before_m, beside_m), (before_m, math.copysign(past, beside_m))),
            ((2.8, beside_m), (0.4, beside_m)),
            ((-off_m, -half_m), (-off_m, half_m)),
        ][rng.integers(3)]
    if rng.random() < 0.5:
        ends = ends[1], ends[0]
    return LineSection(
        name=f"line-{number}", from_m=course.place(*ends[0]), to_m=course.place(*ends[1])
    )


def _crowds(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """Groups that gather; some are one too few."""
    ways: list[Way] = []
    # Every other lane: two crowds of one place are one.
    for lane in lanes_of(camera, weather, rng)[::2]:
        is_crowd = rng.random() < POSITIVE_SHARE
        # In a zigzag: who stands behind somebody is not seen, and no matter for a rule.
        step_m, depth_m = rng.uniform(0.6, 0.72), rng.uniform(0.2, 0.5)
        for member in range(_CROWD if is_crowd else _CROWD - 1):
            right_m = (member - (_CROWD - 1) / 2) * step_m
            away_m = depth_m * (-1) ** member + rng.uniform(-0.15, 0.15)
            there = lane.place(away_m, right_m)
            way_m = rng.uniform(0.8, 2.0) * (rng.choice([-1, 1]) if lane.both_ways else 1)
            came = lane.place(away_m + way_m, 1.1 * right_m)
            stops = [(came, rng.uniform(0.6, 1.0)), (there, 20.0)]
            ways.append(Way.walked(stops, rng.uniform(1.1, 1.5)))
    return Drawn(ways, _everybody(), 7.0)


def _runs(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """People who run through, or break into a run; or walk as fast as one can. Each over a line."""
    ways: list[Way] = []
    lines: list[LineSection] = []
    rules = _everybody()
    for number, (start, end) in enumerate(_tracks(rng, camera, weather)):
        if rng.random() >= POSITIVE_SHARE:
            speeds = [(0.0, rng.uniform(2.0, _FASTEST_WALK_MPS))]
        else:
            fast_mps = rng.uniform(4.4, 5.2)
            speeds = [(0.0, fast_mps)]
            if rng.random() < 0.5:
                slow_mps, from_s = rng.uniform(1.2, 2.0), rng.uniform(0.4, 0.8)
                until_s = from_s + (fast_mps - slow_mps) / SPURT_MPS2
                speeds = [(from_s, slow_mps), (until_s, fast_mps)]
        ways.append(Way.dashed(start, end, speeds))
        lines.append(_gate(rng, number, start, end))
        rules.append(LineCrossingRule(name=f"line-{number}", line=lines[-1].name))
    return Drawn(ways, rules, min(5.0, *(way.end_s for way in ways)), lines=lines)


def _gate(rng: np.random.Generator, number: int, start: Place, end: Place) -> LineSection:
    """A line across the way, beyond its first third."""
    length_m = math.dist(start, end)
    ahead = ((end[0] - start[0]) / length_m, (end[1] - start[1]) / length_m)
    share = rng.uniform(0.35, 0.5)
    at = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
    half = rng.uniform(0.9, 1.0)
    a, b = ((at[0] + s * half * ahead[1], at[1] - s * half * ahead[0]) for s in (-1, 1))
    return LineSection(name=f"line-{number}", from_m=a, to_m=b)


def _tracks(
    rng: np.random.Generator, camera: Camera, weather: Weather
) -> list[tuple[Place, Place]]:
    """Straight ways, long enough to run, apart from each other."""
    night = weather is Weather.NIGHT
    found = []
    if camera is Camera.PINHOLE:
        for nearest_m in (6.8, 8.6, 10.4) if not night else (6.8, 8.4, 10.0):
            # As far to either side as the picture shows whole people, and well enough.
            in_picture_m = 0.9 * (0.88 * nearest_m + 2.3)
            reach_m = min(in_picture_m, math.sqrt(_FARTHEST_M**2 - nearest_m**2))
            side = rng.choice([-1, 1])
            a, b = ((s * reach_m, nearest_m + rng.uniform(-0.25, 0.25)) for s in (side, -side))
            found.append((a, b))
        return found
    turn = rng.uniform(0, 2 * math.pi)
    for step in range(3):
        middle = turn + 2 * math.pi / 3 * step
        nearest_m, half_m = rng.uniform(3.8, 4.6), 7.6 if not night else 7.0
        s, c = math.sin(middle), math.cos(middle)
        side = rng.choice([-1, 1])
        a, b = (
            (nearest_m * s + w * half_m * c, nearest_m * c - w * half_m * s) for w in (side, -side)
        )
        found.append((a, b))
    return found


_DRAW = {
    Kind.VISITS: _visits,
    Kind.CROWDS: _crowds,
    Kind.RUNS: _runs,
    Kind.DISPERSALS: draw_dispersals,
    Kind.STOPS: draw_stops,
    Kind.LEFT: draw_left,
}
