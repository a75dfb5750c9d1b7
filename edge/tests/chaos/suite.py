"""One run: start everything, store alerts, do what the plan says, and count at the desk."""

from __future__ import annotations

import contextlib
import sqlite3

from roeh.core.clock import NS_PER_S
from tests.chaos.desk_count import count_desk, is_heard
from tests.chaos.parts import CLOCK, Feeder, Parts, Watcher
from tests.chaos.plan import Acknowledged, Kill, Part
from tests.chaos.report import RunOutcome
from tests.process.namespaces import two_machines
from tests.waiting import wait_until

_LOOK_EACH_S = 0.02
_START_PATIENCE_S = 60.0
#: A run in which nothing moves for so long is over, whatever is missing.
_STANDSTILL_S = 45.0
_STANDSTILL_BY_BROKER_S = 4.0


def run(plan, directory):
    """What became of every alert that evidence accepted."""
    began_ns = CLOCK.mono_ns()
    with two_machines() as cable, contextlib.ExitStack() as closing:
        parts = Parts(directory, cable, plan.acknowledged)
        closing.callback(parts.close)
        for part in (Part.BROKER, Part.DESK, Part.EVIDENCE, Part.PUBLISH):
            parts.start(part)
        watcher = Watcher(parts.config)
        closing.callback(watcher.close)
        feeder = Feeder(parts.config, plan.alerts, plan.rate_per_s)
        closing.callback(feeder.end)
        if plan.link_bps:
            cable.limit(plan.link_bps)
        wait_until(lambda: is_heard(parts.desk_database), _START_PATIENCE_S)
        cable.lose(plan.loss_percent)
        feeder.start()
        kills, cuts = _suffer(plan, parts, cable, feeder)
        feeder.join()
        cable.lose(0)
        _drain(plan, parts, watcher, feeder)
        found = count_desk(parts.desk_database)
        waiting = watcher.waiting_rows()
        said = parts.said()
    accepted = feeder.accepted
    return RunOutcome(
        plan=plan,
        accepted=len(accepted),
        kills=kills,
        cuts=cuts,
        missing=tuple(sorted(set(accepted) - set(found.alerts))),
        twice=tuple(sorted(one for one, times in found.alerts.items() if times != 1)),
        foreign=tuple(sorted(set(found.alerts) - set(accepted))),
        pictures_missing=sum(
            has_picture and one not in found.pictures for one, (_, has_picture) in accepted.items()
        ),
        duplicates=found.duplicates,
        still_waiting=-1 if waiting is None else waiting,
        duration_s=(CLOCK.mono_ns() - began_ns) / NS_PER_S,
        said=said,
    )


def _suffer(plan, parts, cable, feeder):
    """Do what the plan says, each when its time has come; how many kills and cuts there were."""
    kills = cuts = 0
    for misfortune in plan.misfortunes:
        while len(feeder.accepted) < misfortune.after_alerts and feeder.is_alive():
            parts.raise_the_dead()
            CLOCK.wait(_LOOK_EACH_S)
        if isinstance(misfortune, Kill):
            for part in misfortune.parts:
                parts.kill(part)
                kills += 1
                # The first is away for a while, so that the next holds what was meant for it.
                CLOCK.wait(misfortune.away_s / len(misfortune.parts))
            for part in reversed(misfortune.parts):
                parts.start(part)
        else:
            cable.lose(100)
            CLOCK.wait(misfortune.for_s)
            cable.lose(plan.loss_percent)
            cuts += 1
    return kills, cuts


def _drain(plan, parts, watcher, feeder):
    """Until the desk has everything and nothing waits, or nothing moves any more."""
    by_desk = plan.acknowledged is Acknowledged.BY_DESK
    standstill_ns = int((_STANDSTILL_S if by_desk else _STANDSTILL_BY_BROKER_S) * NS_PER_S)
    seen, seen_ns = None, CLOCK.mono_ns()
    while CLOCK.mono_ns() - seen_ns < standstill_ns:
        parts.raise_the_dead()
        waiting = watcher.waiting_rows()
        there = _there(parts)
        if waiting == 0 and there >= len(feeder.accepted):
            return
        if (waiting, there) != seen:
            seen, seen_ns = (waiting, there), CLOCK.mono_ns()
        CLOCK.wait(_LOOK_EACH_S * 5)


def _there(parts):
    with contextlib.suppress(sqlite3.Error):
        return len(count_desk(parts.desk_database).alerts)
    return 0
