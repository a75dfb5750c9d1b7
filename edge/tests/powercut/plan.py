"""What is cut when: drawn from one seed, so that any disk of a run can be had again."""

from __future__ import annotations

import enum
import random

import msgspec

from tests.powercut.disks import DiskKind

#: One medium goes through so many cuts, each on what the recovery before it left.
CUTS_A_DISK = 3
#: Uniform cuts fall in here; it is about what the longest run before one writes.
_MOST_WRITES = 900
#: A cut that aims at a step comes at most so many writes after it.
_NEIGHBOURHOOD_WRITES = 12
_AIMED_SHARE = 0.4
#: Of the cuts of a disk whose flushes and writes can be made to fail.
_FAILING_SHARE = 0.25
_MOST_FLUSHES = 500
#: Enough sessions to pass every cut that is drawn; then the power goes anyhow.
_SESSIONS = 8


class Step(enum.Enum):
    """What a program does to its files beside writing and syncing, as Python's audit events."""

    CREATE = "open"
    MKDIR = "os.mkdir"
    RENAME = "os.rename"
    REMOVE = "os.remove"
    TRUNCATE = "os.truncate"


class AtWrite(msgspec.Struct, frozen=True, tag="write"):
    """At this write to the device."""

    write: int


class NearStep(msgspec.Struct, frozen=True, tag="step"):
    """So many writes after the step's `occurrence`-th time, counted from 1."""

    step: Step
    occurrence: int
    writes: int


class FlushFails(msgspec.Struct, frozen=True, tag="flush"):
    """This flush and all later ones fail, writes do not; then the power goes."""

    flush: int


class WriteFails(msgspec.Struct, frozen=True, tag="fault"):
    """This write fails, alone, and what it held is nowhere; the cut comes so much later.

    The kernel tells it to one sync and forgets it: its cache still holds what the medium
    does not.
    """

    write: int
    later: int


How = AtWrite | NearStep | FlushFails | WriteFails


class Session(msgspec.Struct, frozen=True):
    """One opening of the store. `is_killed`: it ends as by kill -9, else it is closed."""

    things: int
    is_killed: bool


class Cut(msgspec.Struct, frozen=True):
    """How the power goes, and what is done until then."""

    seed: int
    how: How
    sessions: tuple[Session, ...]


class DiskPlan(msgspec.Struct, frozen=True):
    """A medium and its cuts."""

    number: int
    kind: DiskKind
    cuts: tuple[Cut, ...]


def plan_disk(seed: int, number: int, kind: DiskKind) -> DiskPlan:
    """The plan of disk `number` of a run; the same for the same arguments."""
    chance = random.Random(f"{seed} {number} {kind.value}")
    return DiskPlan(number, kind, tuple(_cut(chance, kind) for _ in range(CUTS_A_DISK)))


def _cut(chance: random.Random, kind: DiskKind) -> Cut:
    sessions = tuple(
        Session(things=chance.randint(5, 60), is_killed=chance.random() < 0.5)
        for _ in range(_SESSIONS)
    )
    return Cut(seed=chance.getrandbits(32), how=_how(chance, kind), sessions=sessions)


def _how(chance: random.Random, kind: DiskKind) -> How:
    if kind is DiskKind.VOLATILE and chance.random() < _FAILING_SHARE:
        if chance.random() < 0.5:
            return FlushFails(chance.randint(1, _MOST_FLUSHES))
        return WriteFails(chance.randint(1, _MOST_WRITES), later=chance.randint(1, _MOST_WRITES))
    if chance.random() < _AIMED_SHARE:
        return NearStep(
            step=chance.choice(list(Step)),
            occurrence=chance.randint(1, 5),
            writes=chance.randint(0, _NEIGHBOURHOOD_WRITES),
        )
    return AtWrite(chance.randint(1, _MOST_WRITES))
