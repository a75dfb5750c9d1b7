"""Bags that are left: their scenes, and what the rule's definition says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from roeh.core.config import ObjectLeftRule
from tests.left_things import Thing
from tests.quality.belongings import Left
from tests.quality.drawn import POSITIVE_SHARE, Drawn
from tests.quality.lanes import lanes_of
from tests.quality.stages import Camera, Weather
from tests.quality.truth import DOUBT_SIGMAS, STEP_S, Event, event_at, first_run, margin_m
from tests.quality.ways import Array, Place, Way

_STILL_S, _OWNER_M = 5.0, 2.0
#: Nobody may have been near a thing for so long (docs/rules.md).
_ALONE_S = 5.0
#: What is the street is learnt before anything is put down.
_LEARNT_S = 8.5
#: Dark, light and coloured bags; what has the ground's own grey is not seen.
_BAGS = ((40, 40, 90), (30, 30, 34), (120, 60, 30), (40, 90, 50), (225, 225, 220))


def draw_left(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """Bags whose owner goes; or stays by, or comes back for it in time."""
    ways: list[Way] = []
    things: list[Left] = []
    lanes = lanes_of(camera, weather, rng)
    middle = len(lanes) // 2
    for lane in lanes[middle - 1 : middle + 2] if camera is Camera.PINHOLE else lanes[::2]:
        act = "leaves" if rng.random() < POSITIVE_SHARE else rng.choice(["stays", "returns"])
        thing = _bag(rng, lane.place(0.0, 0.0))
        # Behind the bag and to its side: it is drawn over whoever stands there.
        beside = lane.place(0.5, rng.choice([-0.7, 0.7]))
        came = lane.place(4.4, rng.uniform(-0.4, 0.4))
        speed_mps = rng.uniform(1.2, 1.5)
        walk_s = math.dist(came, beside) / speed_mps + speed_mps / 1.5
        put_s = _LEARNT_S + rng.uniform(0.0, 0.6)
        stops = [(came, put_s - walk_s - 0.2), (beside, rng.uniform(0.6, 1.0))]
        until_s = 60.0
        if act == "stays":
            stops[-1] = (beside, 60.0)
        else:
            stops.append((came, 60.0 if act == "leaves" else 0.6))
        if act == "returns":
            stops.append((beside, 60.0))
            until_s = put_s + 2 * walk_s + 2.2
        ways.append(Way.walked(stops, speed_mps))
        things.append(Left(thing, put_s, until_s))
    rule = ObjectLeftRule(name="object_left", still_s=_STILL_S, owner_m=_OWNER_M)
    return Drawn(ways, [rule], 19.0, things=things)


def _bag(rng: np.random.Generator, place: Place) -> Thing:
    wide, deep, tall = rng.uniform(0.42, 0.6), rng.uniform(0.28, 0.4), rng.uniform(0.42, 0.6)
    return Thing(
        *place,
        size_m=(float(wide), float(deep), float(tall)),
        turned_deg=float(rng.uniform(0, 180)),
        bgr=_BAGS[rng.integers(len(_BAGS))],
    )


def left_events(
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
