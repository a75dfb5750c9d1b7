"""What happens to the pole, the broker, the desk and the link between them, drawn from a seed."""

from __future__ import annotations

import enum
import random

import msgspec


class Part(enum.Enum):
    """What can be killed."""

    EVIDENCE = "evidence"
    PUBLISH = "publish"
    BROKER = "broker"
    DESK = "desk"


class Kill(msgspec.Struct, frozen=True):
    """kill -9 these, in that order, when so many alerts were accepted; each is away so long."""

    after_alerts: int
    parts: tuple[Part, ...]
    away_s: float


class Cut(msgspec.Struct, frozen=True):
    """Nothing passes the link for so long."""

    after_alerts: int
    for_s: float


Misfortune = Kill | Cut


class Acknowledged(enum.Enum):
    """What takes an alert out of the pole's outbox."""

    BY_DESK = "desk"
    BY_BROKER = "broker"


class RunPlan(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        rate_per_s: how fast alerts are stored at the pole.
        loss_percent: of packets, each way, as long as alerts are stored.
        link_bps: the link's rate; 0: as fast as the machine.
        must_lose: the run has to lose some, else it could not have found a loss.
    """

    name: str
    seed: int
    alerts: int
    rate_per_s: float
    acknowledged: Acknowledged
    loss_percent: int
    link_bps: int
    misfortunes: tuple[Misfortune, ...]
    must_lose: bool = False


def plan_runs(seed: int, alerts: int, *, is_short: bool) -> tuple[RunPlan, ...]:
    """The runs of the suite: by the desk with kills, with a bad link, with both; by the broker."""
    rate_per_s = 100.0
    kills = _kills(random.Random(seed), alerts, 5 if is_short else 40)
    cuts = _cuts(random.Random(seed + 1), alerts, 1 if is_short else 3)
    both = tuple(sorted((*kills, *cuts), key=lambda one: one.after_alerts))
    link = {"loss_percent": 5, "link_bps": 8_000_000}
    good = {"loss_percent": 0, "link_bps": 0}
    desk, broker = Acknowledged.BY_DESK, Acknowledged.BY_BROKER

    def run(name, acknowledged, misfortunes, link, must_lose=False):
        return RunPlan(
            name=name,
            seed=seed,
            alerts=alerts,
            rate_per_s=rate_per_s,
            acknowledged=acknowledged,
            misfortunes=misfortunes,
            must_lose=must_lose,
            **link,
        )

    everything = run("kills+link", desk, both, link)
    by_broker = run(
        "by broker", broker, _kills(random.Random(seed), alerts, 6), good, must_lose=True
    )
    if is_short:
        return (everything, by_broker)
    return (run("kills", desk, kills, good), run("link", desk, cuts, link), everything, by_broker)


def _kills(draw: random.Random, alerts: int, count: int) -> tuple[Kill, ...]:
    """Spread over the run; every third takes the desk, and then the broker with what it holds."""
    found = []
    for number in range(count):
        after = int(alerts * (number + draw.random()) / (count + 1)) + 1
        parts = (Part.DESK, Part.BROKER) if number % 3 == 1 else (draw.choice(list(Part)),)
        found.append(Kill(after, parts, draw.uniform(0.3, 1.5)))
    return tuple(found)


def _cuts(draw: random.Random, alerts: int, count: int) -> tuple[Cut, ...]:
    return tuple(
        Cut(int(alerts * (number + draw.random()) / count) + 1, draw.uniform(2.0, 6.0))
        for number in range(count)
    )
