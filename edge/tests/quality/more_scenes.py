"""Scenes of groups that run apart, vehicles that stop and things that are left."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from roeh.core.config import DispersalRule, ObjectLeftRule, VehicleStoppedRule, ZoneSection
from tests.left_things import Thing
from tests.quality.belongings import Drive, Left
from tests.quality.lanes import Lane, lanes_of
from tests.quality.stages import Camera, Weather
from tests.quality.truth import DOUBT_SIGMAS, SURE_SIGMAS
from tests.quality.vehicles import CAR, PAINTS, VAN, Vehicle
from tests.quality.ways import Place, Way

_POSITIVE_SHARE = 0.75
#: One more than is asked for: who is hidden for a moment does not decide.
_GROUP, _ASKED, _GROUP_RADIUS_M, _APART_S = 5, 4, 2.0, 3.0
_STOP_S, _STOP_RADIUS_M = 5.0, 1.5
_STILL_S, _OWNER_M = 5.0, 2.0
#: What is the street is learnt before anything is put down.
_LEARNT_S = 8.5
_SPURT_MPS2 = 2.5
#: Dark, light and coloured bags; what has the ground's own grey is not seen.
_BAGS = ((40, 40, 90), (30, 30, 34), (120, 60, 30), (40, 90, 50), (225, 225, 220))


class More(msgspec.Struct, frozen=True):
    """What is drawn for a scene of these kinds."""

    ways: tuple[Way, ...]
    zones: tuple[ZoneSection, ...]
    rules: tuple[DispersalRule | VehicleStoppedRule | ObjectLeftRule, ...]
    duration_s: float
    things: tuple[Left, ...] = ()
    drives: tuple[Drive, ...] = ()


def dispersals(rng: np.random.Generator, camera: Camera, weather: Weather) -> More:
    """Groups that run apart; or stroll apart, of which one runs, or who are one too few."""
    ways: list[Way] = []
    for lane, bearings in _gatherings(camera, weather, rng):
        act = "scatter" if rng.random() < _POSITIVE_SHARE else rng.choice(["stroll", "one", "few"])
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
            spurt_s = leaves + top_mps / _SPURT_MPS2
            ways.append(Way.dashed(start, end, [(leaves, 0.0), (spurt_s, top_mps)]))
    rule = DispersalRule(
        name="dispersal", count=_ASKED, radius_m=_GROUP_RADIUS_M, within_s=_APART_S
    )
    return More(tuple(ways), (), (rule,), 7.0)


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


def stops(rng: np.random.Generator, camera: Camera, weather: Weather) -> More:
    """Vehicles that stop in a zone; or for too short, or roll through, or stop beside it."""
    drives: list[Drive] = []
    zones: list[ZoneSection] = []
    rules: list[VehicleStoppedRule] = []
    north_m = rng.uniform(15.0, 17.0)
    for number, side in enumerate((-1.0, 1.0)):
        act = "stops" if rng.random() < _POSITIVE_SHARE else rng.choice(["pauses", "rolls", "off"])
        came: Place = (side * rng.uniform(12.0, 12.8), north_m + rng.uniform(-0.3, 0.3))
        there: Place = (side * rng.uniform(5.2, 6.0), came[1])
        start_s = rng.uniform(0.4, 0.9)
        if act == "rolls":
            beyond: Place = (side * 2.6, came[1])
            way = Way.walked([(came, start_s), (beyond, 20.0)], rng.uniform(1.4, 1.7))
        elif act == "pauses":
            beyond = (side * 2.6, came[1])
            stay_s = rng.uniform(0.3, 0.8)
            way = Way.walked([(came, start_s), (there, stay_s), (beyond, 20.0)], 3.0)
        else:
            way = Way.walked([(came, start_s), (there, 20.0)], rng.uniform(2.6, 3.4))
        shape = CAR if rng.random() < 0.7 else VAN
        paint = PAINTS[rng.integers(len(PAINTS))]
        drives.append(Drive(Vehicle(shape, paint), way, 90.0 if side < 0 else 270.0))
        lane = Lane(there, 0.0, both_ways=True)
        sure_m, doubt_m = lane.margin_m(SURE_SIGMAS), lane.margin_m(DOUBT_SIGMAS)
        half_m = shape.length_m / 2 + sure_m + 0.6, shape.width_m / 2 + sure_m + 0.6
        off_m = half_m[1] + doubt_m + shape.width_m / 2 + 0.8 if act == "off" else 0.0
        corners = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
        zones.append(
            ZoneSection(
                name=f"bay-{number}",
                polygon_m=tuple(
                    lane.place(a * half_m[1] - off_m, r * half_m[0]) for a, r in corners
                ),
            )
        )
        rules.append(
            VehicleStoppedRule(
                name=f"vehicle_stopped-{number}",
                zone=zones[-1].name,
                dwell_s=_STOP_S,
                radius_m=_STOP_RADIUS_M,
            )
        )
    return More((), tuple(zones), tuple(rules), 12.5, drives=tuple(drives))


def left(rng: np.random.Generator, camera: Camera, weather: Weather) -> More:
    """Bags whose owner goes; or stays by, or comes back for it in time."""
    ways: list[Way] = []
    things: list[Left] = []
    lanes = lanes_of(camera, weather, rng)
    middle = len(lanes) // 2
    for lane in lanes[middle - 1 : middle + 2] if camera is Camera.PINHOLE else lanes[::2]:
        act = "leaves" if rng.random() < _POSITIVE_SHARE else rng.choice(["stays", "returns"])
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
    return More(tuple(ways), (), (rule,), 19.0, things=tuple(things))


def _bag(rng: np.random.Generator, place: Place) -> Thing:
    wide, deep, tall = rng.uniform(0.42, 0.6), rng.uniform(0.28, 0.4), rng.uniform(0.42, 0.6)
    return Thing(
        *place,
        size_m=(float(wide), float(deep), float(tall)),
        turned_deg=float(rng.uniform(0, 180)),
        bgr=_BAGS[rng.integers(len(_BAGS))],
    )
