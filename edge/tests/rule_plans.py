"""Rules about tracks, each in a plan: who goes where, and when and where the rule tells.

The rules themselves are run; nothing but the ways is drawn by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import msgspec
import numpy as np

from roeh.core.config import (
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    RuleSection,
    RunningRule,
    VehicleStoppedRule,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.types import Track
from roeh.media.frames import UInt8Image
from roeh.vision.rules import RuleEngine
from tests.unit.rule_scenes import Place, node, play, raised, times, track_at

WIDE_PX, TALL_PX = 250, 200
PIXELS_PER_M = 11.0
RED, GREEN, BLUE, INK = (40, 40, 220), (60, 150, 40), (190, 110, 20), (60, 60, 60)
ZONE = ZoneSection(name="yard", polygon_m=((-3, -5), (7, -5), (7, 5), (-3, 5)))
LINE = LineSection(name="gate", from_m=(1, -6), to_m=(1, 6))
Way = Callable[[float], Place]


class Plan(msgspec.Struct, frozen=True):
    """A rule, and where everybody is at each second."""

    rule: RuleSection
    ways: tuple[Way, ...]
    seconds: float
    label: str = "person"


def straight(start: Place, end: Place, speed_mps: float, from_s: float = 0.0) -> Way:
    """From one place to another, and there they stay."""
    length_m = math.dist(start, end)

    def at(t_s: float) -> Place:
        share = min(1.0, max(0.0, t_s - from_s) * speed_mps / length_m)
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return at


def round_about(middle: Place, radius_m: float) -> Way:
    """Slowly round a place."""
    return lambda t_s: (
        middle[0] + radius_m * math.sin(0.3 * t_s),
        middle[1] + radius_m * math.cos(0.3 * t_s),
    )


def spokes(count: int, near_m: float, far_m: float) -> list[tuple[Place, Place]]:
    """Places in two rings, one outside the other."""
    turns = [2 * math.pi * number / count + 0.4 for number in range(count)]
    return [
        (
            (near_m * math.sin(turn), near_m * math.cos(turn)),
            (far_m * math.sin(turn), far_m * math.cos(turn)),
        )
        for turn in turns
    ]


def plans() -> tuple[Plan, ...]:
    """One for each rule, with the defaults of the configuration."""
    gathering = tuple(straight(far, near, 1.3) for near, far in spokes(7, 1.6, 8.0))
    scattering = tuple(straight(near, far, 3.5, from_s=4.0) for near, far in spokes(7, 1.6, 8.0))
    walk_then_run = straight((-10, -1), (-4, -1), 1.4), straight((-4, -1), (10, 3), 4.5, 4.3)
    return (
        Plan(ZoneEntryRule(name="rule", zone="yard"), (straight((-10, -2), (4, 1), 1.4),), 12),
        Plan(LineCrossingRule(name="rule", line="gate"), (straight((-9, -1), (9, 2), 1.4),), 13),
        Plan(LoiteringRule(name="rule"), (round_about((1, 0), 2.0),), 70),
        Plan(CrowdRule(name="rule"), gathering, 14),
        Plan(
            RunningRule(name="rule"),
            (lambda t_s: walk_then_run[0](t_s) if t_s < 4.3 else walk_then_run[1](t_s),),
            7.5,
        ),
        Plan(DispersalRule(name="rule"), scattering, 6),
        Plan(VehicleStoppedRule(name="rule"), (straight((-10, 2), (2, -1), 5.0),), 65, "car"),
    )


def tracks_of(plan: Plan, t_s: float) -> list[Track]:
    """Who is seen then, with their velocities."""
    found: list[Track] = []
    for number, way in enumerate(plan.ways, start=1):
        (east, north), (before_east, before_north) = way(t_s), way(max(0.0, t_s - 0.2))
        found.append(
            msgspec.structs.replace(
                track_at(east, north, t_s, track_id=number, label=plan.label),
                velocity_east_mps=(east - before_east) / 0.2,
                velocity_north_mps=(north - before_north) / 0.2,
            )
        )
    return found


def px(place: Sequence[float]) -> tuple[int, int]:
    """In a plan whose middle is 0, 0 and whose top is north."""
    return (
        round(WIDE_PX / 2 + PIXELS_PER_M * place[0]),
        round((TALL_PX + 36) / 2 - 4 - PIXELS_PER_M * place[1]),
    )


def words(picture: UInt8Image, line: str, at: tuple[int, int], colour: tuple[int, ...]) -> None:
    """A small line of them."""
    cv2.putText(picture, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def drawn(plan: Plan) -> UInt8Image:
    """The plan up to when the rule tells, that moment in red."""
    engine = RuleEngine(node(plan.rule, zones=(ZONE,), lines=(LINE,)))
    found = raised(play(engine, lambda t_s: tracks_of(plan, t_s), 0, plan.seconds))
    ((told_s, finding),) = found
    picture = np.full((TALL_PX + 36, WIDE_PX, 3), 255, np.uint8)
    if isinstance(plan.rule, ZoneEntryRule):
        corners = np.asarray([px(corner) for corner in ZONE.polygon_m], np.int32)
        cv2.polylines(picture, [corners], True, GREEN, 1, cv2.LINE_AA)
    if isinstance(plan.rule, LineCrossingRule):
        cv2.line(picture, px(LINE.from_m), px(LINE.to_m), GREEN, 1, cv2.LINE_AA)
    radius_m = getattr(plan.rule, "radius_m", 0.0)
    if radius_m:
        middle = (finding.position.east_m, finding.position.north_m)
        middle = (1.0, 0.0) if isinstance(plan.rule, LoiteringRule) else middle
        cv2.circle(picture, px(middle), round(radius_m * PIXELS_PER_M), GREEN, 1, cv2.LINE_AA)
    for way in plan.ways:
        places = [px(way(t_s)) for t_s in times(0, told_s + 0.2)]
        cv2.polylines(picture, [np.asarray(places, np.int32)], False, BLUE, 1, cv2.LINE_AA)
        for t_s in times(0, told_s, fps=1.0):
            cv2.circle(picture, px(way(t_s)), 2, BLUE, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(picture, px(way(told_s)), 4, RED, cv2.FILLED, cv2.LINE_AA)
    words(picture, finding.rule_kind.value, (8, 16), INK)
    words(picture, f"raised at {told_s:.1f} s", (8, 32), RED)
    cv2.rectangle(picture, (0, 0), (WIDE_PX - 1, TALL_PX + 35), (225, 225, 225), 1)
    return picture


def tracks() -> UInt8Image:
    """All of them, four in a row; the last place says how they are read."""
    panels = [drawn(plan) for plan in plans()]
    legend = np.full_like(panels[0], 255)
    lines = (
        ("seen from above, north up", INK),
        ("ways, a dot each second", BLUE),
        ("where they are when it is told", RED),
        ("zone, line, radius_m", GREEN),
    )
    for number, (line, colour) in enumerate(lines):
        words(legend, line, (16, 40 + 22 * number), colour)
    cv2.line(legend, (16, 150), (16 + round(5 * PIXELS_PER_M), 150), INK, 2)
    words(legend, "5 m", (16, 168), INK)
    rows = [np.hstack([*panels[:4]]), np.hstack([*panels[4:], legend])]
    return np.vstack(rows)
