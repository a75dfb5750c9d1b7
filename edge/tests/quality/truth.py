"""What the rules' definitions, in metres and seconds, say of people's exact ways.

Each definition is put twice: strictly, with a margin to spare, and generously, with that
margin given. What holds strictly is an event that has to be told; what does not even hold
generously must not be. What lies between is doubtful and counts neither way. Nothing here is
the rules' own code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.config import (
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    NodeConfig,
    ObjectLeftRule,
    RunningRule,
    VehicleStoppedRule,
    ZoneEntryRule,
    ZoneSection,
)
from tests.quality.ways import Array, Way

STEP_S = 0.1
#: Whoever strays less than this stands.
STANDS_M = 0.4
#: By so much a radius is doubtful.
RADIUS_MARGIN_M = 0.5
#: By so much a speed is doubtful.
SPEED_MARGIN_MPS = 0.7
LEAST_MARGIN_M = 0.5
#: A place is off by two sigmas at most, and a rule wants up to two of them to be sure.
SURE_SIGMAS, DOUBT_SIGMAS = 4.0, 2.0
#: Who comes into view is known after three looks; no pace is told before.
KNOWN_S = 0.6
_TILT_SIGMA_RAD, _SPOT_SIGMA_M = math.radians(0.5), 0.15
_PACE_WINDOW_S = 1.0


class Event(msgspec.Struct, frozen=True):
    """Something that a rule has to tell, or, doubtful, may tell.

    Attributes:
        rule: its name.
        from_s: earlier than this nobody can know.
        due_s: when it has come true by the rule's own time; doubtful ones: their end.
        east_m, north_m: where, when due.
    """

    rule: str
    from_s: float
    due_s: float
    east_m: float
    north_m: float
    doubtful: bool = False


def margin_m(places: Array, height_m: float, sigmas: float) -> Array:
    """So many sigmas (n,) of a place known through pixels, at least half a metre.

    The tilt's half a degree, and the spot that somebody stands on.
    """
    range_m = np.hypot(places[..., 0], places[..., 1])
    tilt_m = (height_m**2 + range_m**2) / height_m * _TILT_SIGMA_RAD
    return np.maximum(LEAST_MARGIN_M, sigmas * np.hypot(tilt_m, _SPOT_SIGMA_M))


def events_of(config: NodeConfig, ways: Sequence[Way], duration_s: float) -> tuple[Event, ...]:
    """All that is to be told, or may be, of people who go these ways."""
    times_s = np.arange(0.0, duration_s, STEP_S)
    walks = [way.places(times_s) for way in ways]
    height_m = config.sensors[0].height_m
    zones = {zone.name: zone for zone in config.zones}
    lines = {line.name: line for line in config.lines}
    found: list[Event] = []
    for rule in config.rules:
        match rule:
            case ZoneEntryRule():
                looks_s = rule.min_frames / config.detect.fps
                found += _entries(rule.name, zones[rule.zone], looks_s, walks, height_m, times_s)
            case LineCrossingRule():
                for walk in walks:
                    found += _crossings(rule.name, lines[rule.line], walk, height_m, times_s)
            case LoiteringRule():
                for walk in walks:
                    found += _stays(rule, walk, times_s)
            case CrowdRule():
                found += _crowds(rule, walks, times_s)
            case RunningRule():
                for walk in walks:
                    found += _runs(rule, walk, times_s)
            case DispersalRule() | VehicleStoppedRule() | ObjectLeftRule():
                # Of these tests/quality/scenes.py asks their own modules.
                pass
            case _:
                raise AssertionError(f"no truth for {rule.name}")
    return tuple(found)


def _entries(
    rule: str,
    zone: ZoneSection,
    looks_s: float,
    walks: Sequence[Array],
    height_m: float,
    times_s: Array,
) -> list[Event]:
    """One event for the zone: the first who is clearly in for as many looks as are asked for."""
    best: Event | None = None
    for walk in walks:
        depth = depths_m(zone, walk)
        may = np.flatnonzero(depth > -margin_m(walk, height_m, DOUBT_SIGMAS))
        if may.size == 0:
            continue
        held = first_run(depth >= margin_m(walk, height_m, SURE_SIGMAS), looks_s)
        at = int(may[-1]) if held is None else held
        event = event_at(rule, times_s[may[0]], times_s[at], walk[at], doubtful=held is None)
        if best is None or (best.doubtful and not event.doubtful):
            best = event
    return [] if best is None else [best]


def depths_m(zone: ZoneSection, walk: Array) -> Array:
    """How deep (n,) in a convex zone; outside negative, by the edge most overstepped."""
    corners = np.asarray(zone.polygon_m)
    edges = np.roll(corners, -1, axis=0) - corners
    inward = np.column_stack([-edges[:, 1], edges[:, 0]]) / np.hypot(*edges.T)[:, None]
    off = np.einsum("nkc,kc->nk", walk[:, None] - corners, inward)
    middle = np.einsum("kc,kc->k", corners.mean(axis=0) - corners, inward)
    depth: Array = (off * np.sign(middle)).min(axis=1)
    return depth


def _crossings(
    rule: str, line: LineSection, walk: Array, height_m: float, times_s: Array
) -> list[Event]:
    start, end = np.asarray(line.from_m), np.asarray(line.to_m)
    length_m = float(np.hypot(*(end - start)))
    ahead = (end - start) / length_m
    gap = walk - start
    across = ahead[0] * gap[:, 1] - ahead[1] * gap[:, 0]
    along = gap @ ahead
    sure, doubt = (margin_m(walk, height_m, n) for n in (SURE_SIGMAS, DOUBT_SIGMAS))

    def near(margin: Array) -> NDArray[np.bool_]:
        beside = (np.abs(across) < margin) & (along > -margin) & (along < length_m + margin)
        return np.asarray(beside)

    found = []
    for first, last in _runs_of(near(sure)):
        touched = first + np.flatnonzero(near(doubt)[first : last + 1])
        if touched.size == 0:
            continue
        before, after = first - 1, last + 1
        met = first + int(np.argmin(np.abs(across[first : last + 1])))
        clear = before >= 0 and after < len(walk) and across[before] * across[after] < 0
        clear = clear and doubt[met] <= along[met] <= length_m - doubt[met]
        clear = clear and all(abs(across[i]) >= sure[i] for i in (before, after))
        at = min(after, len(walk) - 1)
        found.append(event_at(rule, times_s[touched[0]], times_s[at], walk[at], doubtful=not clear))
    return found


def _stays(rule: LoiteringRule, walk: Array, times_s: Array) -> list[Event]:
    """One event for who stands for the dwell; doubtful for who stays about there as long."""
    steps = round(rule.dwell_s / STEP_S)
    reaches = np.asarray(
        [
            np.hypot(*(walk[i : i + steps + 1] - walk[i : i + steps + 1].mean(axis=0)).T).max()
            for i in range(len(walk) - steps)
        ]
    )
    # Who comes through the circle and stops at its far side was in it for longer.
    may = np.flatnonzero(reaches <= 2 * rule.radius_m)
    if may.size == 0:
        return []
    sure = np.flatnonzero(reaches <= STANDS_M)
    at = int(sure[0] if sure.size else may[-1]) + steps
    earliest = int(may[0]) + steps
    return [event_at(rule.name, times_s[earliest], times_s[at], walk[at], doubtful=not sure.size)]


def _crowds(rule: CrowdRule, walks: Sequence[Array], times_s: Array) -> list[Event]:
    """One event for each place where enough stand close together for long enough."""
    found: list[Event] = []
    reach_m = 2 * (rule.radius_m + RADIUS_MARGIN_M)
    meets = [[np.hypot(*(a - b).T).min() <= reach_m for a in walks] for b in walks]
    for members in itertools.combinations(range(len(walks)), rule.count):
        if not all(meets[a][b] for a, b in itertools.combinations(members, 2)):
            continue
        places = np.stack([walks[member] for member in members], axis=1)
        radii = np.asarray([cv2.minEnclosingCircle(row.astype(np.float32))[1] for row in places])
        may = np.flatnonzero(radii <= rule.radius_m + RADIUS_MARGIN_M)
        if may.size == 0:
            continue
        held = first_run(radii <= rule.radius_m - RADIUS_MARGIN_M, rule.duration_s)
        at = int(may[-1]) if held is None else held
        middle = places[at].mean(axis=0)
        event = event_at(rule.name, times_s[may[0]], times_s[at], middle, doubtful=held is None)
        same = [
            one
            for one in found
            if math.dist((one.east_m, one.north_m), middle) <= 2 * rule.radius_m
        ]
        if not same:
            found.append(event)
        elif not event.doubtful and (same[0].doubtful or event.due_s < same[0].due_s):
            found[found.index(same[0])] = event
    return found


def _runs(rule: RunningRule, walk: Array, times_s: Array) -> list[Event]:
    steps = round(_PACE_WINDOW_S / STEP_S)
    speed = np.zeros(len(walk))
    speed[steps:] = np.hypot(*(walk[steps:] - walk[:-steps]).T) / _PACE_WINDOW_S
    speed[times_s < KNOWN_S + _PACE_WINDOW_S] = 0.0
    fastest = np.hypot(*np.diff(walk, axis=0, append=walk[-1:]).T) / STEP_S
    may = np.flatnonzero(fastest >= rule.speed_mps - SPEED_MARGIN_MPS)
    if may.size == 0:
        return []
    held = first_run(speed >= rule.speed_mps + SPEED_MARGIN_MPS - 1e-6, rule.duration_s)
    at = len(walk) - 1 if held is None else held
    return [event_at(rule.name, times_s[may[0]], times_s[at], walk[at], doubtful=held is None)]


def event_at(rule: str, from_s: float, due_s: float, place: Array, *, doubtful: bool) -> Event:
    """An event there and then."""
    east_m, north_m = (float(value) for value in place)
    return Event(rule, float(from_s), float(due_s), east_m, north_m, doubtful)


def first_run(holds: NDArray[np.bool_], for_s: float) -> int | None:
    """The index at which something has held for so long."""
    steps = math.ceil(for_s / STEP_S - 1e-9)
    for first, last in _runs_of(holds):
        if last - first >= steps:
            return first + steps
    return None


def _runs_of(holds: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each stretch that holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
