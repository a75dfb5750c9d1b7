"""Vehicles that stop: their scenes, and what the rule's definition says of them."""

from __future__ import annotations

import numpy as np

from roeh.core.config import VehicleStoppedRule, ZoneSection
from tests.quality.belongings import Drive
from tests.quality.drawn import POSITIVE_SHARE, Drawn
from tests.quality.lanes import Lane
from tests.quality.stages import Camera, Weather
from tests.quality.truth import (
    DOUBT_SIGMAS,
    RADIUS_MARGIN_M,
    STANDS_M,
    STEP_S,
    SURE_SIGMAS,
    Event,
    depths_m,
    event_at,
    margin_m,
)
from tests.quality.vehicles import CAR, PAINTS, VAN, Vehicle
from tests.quality.ways import Array, Place, Way

_STOP_S, _STOP_RADIUS_M = 5.0, 1.5


def draw_stops(rng: np.random.Generator, camera: Camera, weather: Weather) -> Drawn:
    """Vehicles that stop in a zone; or for too short, or roll through, or stop beside it."""
    drives: list[Drive] = []
    zones: list[ZoneSection] = []
    rules: list[VehicleStoppedRule] = []
    north_m = rng.uniform(15.0, 17.0)
    for number, side in enumerate((-1.0, 1.0)):
        act = "stops" if rng.random() < POSITIVE_SHARE else rng.choice(["pauses", "rolls", "off"])
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
    return Drawn([], rules, 12.5, zones=zones, drives=drives)


def stop_events(
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
