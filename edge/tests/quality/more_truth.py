"""What the definitions of dispersal, stopped vehicles and left things say of a scene.

As in `truth`: strictly and generously, and what lies between is doubtful. Nothing here is the
rules' own code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.config import (
    DispersalRule,
    NodeConfig,
    ObjectLeftRule,
    VehicleStoppedRule,
    ZoneSection,
)
from tests.quality.belongings import Drive, Left
from tests.quality.truth import (
    DOUBT_SIGMAS,
    KNOWN_S,
    RADIUS_MARGIN_M,
    SPEED_MARGIN_MPS,
    STANDS_M,
    STEP_S,
    SURE_SIGMAS,
    Event,
    depths_m,
    event_at,
    first_run,
    margin_m,
)
from tests.quality.ways import Array, Way

#: Who disperses stood together for so long, and of them so many are left.
_TOGETHER_S, _LEFT_SHARE = 1.0, 0.5
#: A speed is known after two looks.
_LOOKS_S = 0.4
#: Near the end of the time allowed a look decides.
_WITHIN_MARGIN_S = 0.5
#: Nobody may have been near a thing for so long (docs/rules.md).
_ALONE_S = 5.0

Flags = NDArray[np.bool_]


def more_events_of(
    config: NodeConfig,
    ways: Sequence[Way],
    things: Sequence[Left],
    drives: Sequence[Drive],
    duration_s: float,
) -> tuple[Event, ...]:
    """All that is to be told, or may be, by rules of these three kinds."""
    times_s = np.arange(0.0, duration_s, STEP_S)
    walks = [way.places(times_s) for way in ways]
    height_m = config.sensors[0].height_m
    zones = {zone.name: zone for zone in config.zones}
    found: list[Event] = []
    for rule in config.rules:
        match rule:
            case DispersalRule():
                found += _dispersals(rule, walks, times_s)
            case VehicleStoppedRule():
                for drive in drives:
                    found += _stops(rule, zones[rule.zone], drive, height_m, times_s)
            case ObjectLeftRule():
                for left in things:
                    found += _left_alone(rule, left, walks, times_s)
    return tuple(found)


def _dispersals(rule: DispersalRule, walks: Sequence[Array], times_s: Array) -> list[Event]:
    """One event for each group that stood together and runs apart.

    Groups stand far from each other: whoever comes within reach of one belongs to it.
    """
    found = []
    for group in _groups(walks, 2 * (rule.radius_m + RADIUS_MARGIN_M)):
        if len(group) < rule.count:
            continue
        sure = first_run(_breaks_up(rule, group, times_s, 1.0), _LOOKS_S)
        may = np.flatnonzero(_breaks_up(rule, group, times_s, -1.0))
        if may.size == 0:
            continue
        at = int(may[-1]) if sure is None else sure
        middle = np.mean([walk[0] for walk in group], axis=0)
        found.append(
            event_at(rule.name, times_s[may[0]], times_s[at], middle, doubtful=sure is None)
        )
    return found


def _groups(walks: Sequence[Array], reach_m: float) -> list[list[Array]]:
    """Who begins within reach of one another."""
    groups: list[list[Array]] = []
    for walk in walks:
        near = [g for g in groups if math.dist(g[0][0], walk[0]) <= reach_m]
        if near:
            near[0].append(walk)
        else:
            groups.append([walk])
    return groups


def _breaks_up(
    rule: DispersalRule, group: Sequence[Array], times_s: Array, strictness: float
) -> Flags:
    """At which steps (n,) a group has broken up, 1: with all margins to spare, -1: given."""
    places = np.stack(group, axis=1)
    radii = np.asarray(
        [
            min(
                cv2.minEnclosingCircle(row[list(chosen)].astype(np.float32))[1]
                for chosen in itertools.combinations(range(len(group)), rule.count)
            )
            for row in places
        ]
    )
    together = radii <= rule.radius_m - strictness * RADIUS_MARGIN_M
    since = first_run(together & (times_s >= KNOWN_S), _TOGETHER_S if strictness > 0 else 0.0)
    if since is None:
        return np.zeros(len(times_s), np.bool_)
    middle = places[since].mean(axis=0)
    last = int(np.flatnonzero(together)[-1])
    off_m = np.hypot(*np.moveaxis(places - middle, 2, 0))
    outwards_mps = np.gradient(off_m, STEP_S, axis=0)
    gone = off_m > rule.radius_m + strictness * RADIUS_MARGIN_M
    fast = gone & (outwards_mps >= rule.speed_mps + strictness * SPEED_MARGIN_MPS)
    if strictness < 0:
        # Who was fast may be taken for fast a moment longer.
        fast = gone & (
            np.maximum.accumulate(outwards_mps, axis=0) >= rule.speed_mps - SPEED_MARGIN_MPS
        )
    left = len(group) - gone.sum(axis=1)
    seen = fast.sum(axis=1) >= np.maximum(2, (len(group) - left) / 2)
    in_time = times_s - times_s[last] <= rule.within_s - strictness * _WITHIN_MARGIN_S
    broken: Flags = (left <= _LEFT_SHARE * len(group)) & seen & in_time
    broken[: since + 1] = False
    return broken


def _stops(
    rule: VehicleStoppedRule, zone: ZoneSection, drive: Drive, height_m: float, times_s: Array
) -> list[Event]:
    """One event for who stands for the dwell, with all of its length surely in the zone."""
    steps = round(rule.dwell_s / STEP_S)
    middles, corners = drive.way.places(times_s), drive.footprints(times_s)
    depths = np.stack([depths_m(zone, corners[:, k]) for k in range(corners.shape[1])], axis=1)
    sure_in = (depths >= margin_m(corners, height_m, SURE_SIGMAS)).all(axis=1)
    may_be_in = (depths > -margin_m(corners, height_m, DOUBT_SIGMAS)).any(axis=1)
    spans = [slice(i, i + steps + 1) for i in range(len(middles) - steps)]
    reaches = np.asarray([np.hypot(*(middles[s] - middles[s].mean(axis=0)).T).max() for s in spans])
    # Which edge of it is taken for its foot depends on the side that is seen.
    edge_m = RADIUS_MARGIN_M
    may = np.flatnonzero(
        (reaches <= 2 * rule.radius_m + edge_m) & [bool(may_be_in[s].all()) for s in spans]
    )
    if may.size == 0:
        return []
    sure = np.flatnonzero((reaches <= STANDS_M) & [bool(sure_in[s].all()) for s in spans])
    at = int(sure[0] if sure.size else may[-1]) + steps
    earliest = int(may[0]) + steps
    return [
        event_at(rule.name, times_s[earliest], times_s[at], middles[at], doubtful=not sure.size)
    ]


def _left_alone(
    rule: ObjectLeftRule, left: Left, walks: Sequence[Array], times_s: Array
) -> list[Event]:
    """One event for a thing that has stood, with nobody near for long enough."""
    place = np.asarray(left.place)
    gaps_m = np.stack([np.hypot(*(walk - place).T) for walk in walks], axis=1)
    nearest_m = gaps_m.min(axis=1)
    margin = float(margin_m(place[None], 5.0, DOUBT_SIGMAS)[0])
    stands = (times_s >= left.from_s) & (times_s < left.until_s)
    old = times_s >= left.from_s + rule.still_s
    sure = first_run(stands & (nearest_m > rule.owner_m + margin), _ALONE_S)
    may = first_run(stands & (nearest_m > rule.owner_m - margin), _ALONE_S - 2 * STEP_S)
    if may is None or not (old & stands)[may:].any():
        return []
    first = may + int(np.argmax((old & stands)[may:]))
    held = sure is not None and bool((old & stands)[sure:].any())
    last = int(np.flatnonzero(stands)[-1])
    at = sure + int(np.argmax((old & stands)[sure:])) if held and sure is not None else last
    return [event_at(rule.name, times_s[first], times_s[at], place, doubtful=not held)]
