"""The lines that the suite prints: one a cut, and the sums."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import msgspec

from roeh.core.errors import one_line
from tests.powercut.disks import DiskKind

#: Of each cut so many findings are named.
_NAMED = 5
_WIDTH = 400


class CutOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One cut.

    `how` says what the cut was near, and after how many writes of the device it came;
    `acknowledged` counts by kind what was acknowledged since the cut before it; `lost` and
    `wrong` are found among everything that was ever acknowledged on this disk; `records`
    counts its ledger by kind.
    """

    disk: int
    kind: DiskKind
    cut: int
    how: str
    unflushed_sectors: int
    kept_sectors: int
    sessions: int
    acknowledged: dict[str, int]
    lost: tuple[str, ...]
    wrong: tuple[str, ...]
    records: dict[str, int]
    duration_s: float

    @property
    def is_good(self) -> bool:
        """Nothing acknowledged was lost, and nothing else is wrong."""
        return not self.lost and not self.wrong


HEADER = (
    "disk kind     cut how                  unflushed kept sessions"
    " fragments alerts locks checkpoints lost wrong     s"
)


def cut_lines(outcome: CutOutcome) -> list[str]:
    """Its row of the table, and what was found."""
    count = outcome.acknowledged.get
    # Nobody knows what the kernel had not handed to the device.
    unflushed = kept = "-"
    if outcome.kind is DiskKind.VOLATILE:
        unflushed, kept = str(outcome.unflushed_sectors), str(outcome.kept_sectors)
    row = (
        f"{outcome.disk:4} {outcome.kind.value:8} {outcome.cut:3} {outcome.how:20}"
        f" {unflushed:>9} {kept:>4} {outcome.sessions:8}"
        f" {count('fragment', 0):9} {count('alert', 0):6} {count('lock', 0):5}"
        f" {count('checkpoint', 0):11} {len(outcome.lost):4} {len(outcome.wrong):5}"
        f" {outcome.duration_s:5.2f}"
    )
    return [
        row,
        *(f"     lost: {one_line(thing)}" for thing in outcome.lost[:_NAMED]),
        *(f"     wrong: {one_line(thing)[:_WIDTH]}" for thing in outcome.wrong[:_NAMED]),
    ]


def sum_lines(outcomes: Sequence[CutOutcome], duration_s: float) -> list[str]:
    """The sums, for each kind of disk and in all."""
    kinds = [kind for kind in DiskKind if any(one.kind is kind for one in outcomes)]
    rows = [_sum(kind.value, [one for one in outcomes if one.kind is kind]) for kind in kinds]
    newest = {one.disk: one.records for one in outcomes}
    records: collections.Counter[str] = collections.Counter()
    for counts in newest.values():
        records.update(counts)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(records.items()))
    return [
        f"records in the ledgers of {len(newest)} disks: {listed}",
        *rows,
        f"{_sum('all', outcomes)}; {duration_s:.0f} s",
    ]


def _sum(name: str, outcomes: Sequence[CutOutcome]) -> str:
    counts = {
        kind: sum(one.acknowledged.get(kind, 0) for one in outcomes)
        for kind in ("fragment", "alert", "lock", "checkpoint")
    }
    things = counts["fragment"] + counts["alert"] + counts["lock"]
    of_these = ", ".join(f"{count} {kind}s" for kind, count in counts.items())
    return (
        f"{name}: {len(outcomes)} cuts, {things} acknowledged ({of_these}),"
        f" {sum(one.unflushed_sectors for one in outcomes)} sectors unflushed,"
        f" {sum(len(one.lost) for one in outcomes)} lost,"
        f" {sum(len(one.wrong) for one in outcomes)} wrong"
    )
