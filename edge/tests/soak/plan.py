"""What a camera is put through, drawn from a seed: when, what, and for how long.

All times are of the stream, seconds since it began.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

SIXTEEN_HOURS_S = 16 * 3600.0


class Misfortune(enum.Enum):
    """What can happen to a camera.

    STALL: it falls silent and holds its connections. REBOOT: its connections break, nobody
    answers for a while, and its stamps begin somewhere else. RESIZE: pictures of another size
    from the next key picture on, the connection unbroken. CODEC: a reboot behind which it
    sends the other codec.
    """

    STALL = "stall"
    REBOOT = "reboot"
    RESIZE = "resize"
    CODEC = "codec"


@dataclass(frozen=True)
class Event:
    """One of them; `lasts_s` is 0 for what takes no time."""

    misfortune: Misfortune
    at_s: float
    lasts_s: float


def draw(seed: int, *, duration_s: float, count: int, stall_s: float) -> tuple[Event, ...]:
    """`count` events, spread evenly with some chance, each kind as often as the others.

    `stall_s` is how long a silence has to be before it counts as a stall.
    """
    chance = random.Random(seed)
    kinds = [kind for _ in range(-(-count // len(Misfortune))) for kind in Misfortune][:count]
    chance.shuffle(kinds)
    step_s = duration_s / (count + 1)
    return tuple(
        Event(
            kind,
            at_s=step_s * (number + 1 + chance.uniform(-0.2, 0.2)),
            lasts_s=_lasts_s(kind, chance, stall_s),
        )
        for number, kind in enumerate(kinds)
    )


def _lasts_s(kind: Misfortune, chance: random.Random, stall_s: float) -> float:
    if kind is Misfortune.RESIZE:
        return 0.0
    if kind is Misfortune.STALL:
        return stall_s * chance.uniform(1.1, 1.5)
    return chance.uniform(5.0, 60.0)
