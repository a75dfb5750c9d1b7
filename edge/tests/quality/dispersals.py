"""Groups that run apart: their scenes, and what the rule's definition says of them.

The definition is read as in `truth`: strictly and generously, and what lies between is doubtful.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.config import DispersalRule
from tests.quality.drawn import POSITIVE_SHARE, SPURT_MPS2, Drawn
from tests.quality.lanes import Lane, lanes_of
from tests.quality.stages import Camera, Weather
from tests.quality.truth import (
    KNOWN_S,
    RADIUS_MARGIN_M,
    SPEED_MARGIN_MPS,
    STEP_S,
    Event,
    event_at,
    first_run,
)
from tests.quality.ways import Array, Way

#: One more than is asked for: who is hidden for a moment does not decide.
_GROUP, _ASKED, _GROUP_RADIUS_M, _APART_S = 5, 4, 2.0, 3.0
#: Who disperses stood together for so long, and of them so many are left.
_TOGETHER_S, _LEFT_SHARE = 1.0, 0.5
#: A speed is known after two looks.
_LOOKS_S = 0.4
#: Near the end of the time allowed a look decides.
_WITHIN_MARGIN_S = 0.5

Flags = NDArray[np.bool_]


def draw_dispersals(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """Groups that run apart; or stroll apart, of which one runs, or who are one too few."""
    ways: list[Way] = []
    for lane, bearings in _gatherings(camera, weather, rng):
        act = "scatter" if rng.random() < POSITIVE_SHARE else rng.choice(["stroll", "one", "few"])
        leaves_s = rng.uniform(2.4, 3.2)
        step_m, depth_m = rng.uniform(0.64, 0.7), rng.uniform(0.2, 0.45)
        for member in range(_ASKED - 1 if act == "few" else _GROUP):
            right_m = (member - (_GROUP - 1) / 2) * step_m
            start = lane.place(depth_m * (-1) ** member, right_m)
            bearing = lane.bearing_rad + bearings[member] + rng.uniform(-0.15, 0.15)
            length_m = rng.uniform(4.6, 5.2)
            end = (
                start[0] + length_m * math.sin(bearing),
                start[1] + length_m * math.cos(bearing),
            )
            leaves = leaves_s + rng.uniform(0.0, 0.25)
            if act == "one" and member > 0:
                ways.append(Way.walked([(start, 20.0)], 1.0))
                continue
            top_mps = rng.uniform(0.8, 1.1) if act == "stroll" else rng.uniform(3.6, 4.4)
            spurt_s = leaves + top_mps / SPURT_MPS2
            ways.append(Way.dashed(start, end, [(leaves, 0.0), (spurt_s, top_mps)]))
    rule = DispersalRule(
        name="dispersal", count=_ASKED, radius_m=_GROUP_RADIUS_M, within_s=_APART_S
    )
    return Drawn(ways, [rule], 7.0)


def _gatherings(
    camera: Camera, weather: Weather, rng: np.random.Generator
) -> list[tuple[Lane, tuple[float, ...]]]:
    """Where groups stand, and where each of four runs, as turned from away from the pole."""
    right, left = 0.5 * math.pi, -0.5 * math.pi
    if camera is Camera.FISHEYE:
        bearings = (left + 0.1, left + 0.5, 0.0, right - 0.5, right - 0.1)
        return [(lane, bearings) for lane in lanes_of(camera, weather, rng)[::2]]
    north_m = (7.8 if weather is not Weather.NIGHT else 7.0) + rng.uniform(-0.3, 0.3)
    found: list[tuple[Lane, tuple[float, ...]]] = []
    for side in (-1.0, 1.0):
        lane = Lane((side * 3.9, north_m), 0.0, both_ways=True)
        # Three of each group go off to their side, two away from the pole.
        bearings = (left + 0.1, left + 0.5, left + 0.9, -0.15, 0.3)
        if side > 0:
            bearings = tuple(-bearing for bearing in reversed(bearings))
        found.append((lane, bearings))
    return found


def dispersal_events(rule: DispersalRule, walks: Sequence[Array], times_s: Array) -> list[Event]:
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
