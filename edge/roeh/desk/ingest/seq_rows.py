"""Which numbers of each node are accounted for, which are missing, which are lost: rows.

Invariants:
    1. Ranges in `seq_known` neither overlap nor touch; a number in one has an alert or a
       tombstone, or is lost by the node's own word.
    2. A number in `seq_lost` has no alert here.
    3. A node has MAX_RANGES ranges at the most, whatever numbers it invents.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable

import msgspec

from roeh.core.orders import SeqRange
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction


class Gap(msgspec.Struct, frozen=True, order=True):
    """Numbers of a pole that others have overtaken."""

    site: str
    node: str
    first: int
    last: int


class MissingRow(msgspec.Struct, frozen=True):
    """A gap since when it is known, and when it was last asked for."""

    site: str
    node: str
    first: int
    last: int
    t_since_utc_us: int
    t_asked_utc_us: int | None

    @property
    def gap(self) -> Gap:
        """The gap alone."""
        return Gap(self.site, self.node, self.first, self.last)


_GAPS = """
    SELECT site, node, gap_first, gap_last FROM (
        SELECT site, node,
            LAG(last, 1, 0) OVER (PARTITION BY site, node ORDER BY first) + 1 AS gap_first,
            first - 1 AS gap_last
        FROM seq_known
    ) AS between_known WHERE gap_first <= gap_last
"""
#: Ranges that a node may have. Ten thousand alerts that drain by priority make half of it.
MAX_RANGES = 10_000

_MISSING = "SELECT site, node, first, last, t_since_utc_us, t_asked_utc_us FROM seq_missing"
_DIFFERENT = f"""
    SELECT 1 FROM (
        SELECT site, node, gap_first, gap_last FROM ({_GAPS}) AS gaps
        EXCEPT SELECT site, node, first, last FROM seq_missing
    ) AS unwritten
    UNION ALL SELECT 1 FROM (
        SELECT site, node, first, last FROM seq_missing
        EXCEPT SELECT site, node, gap_first, gap_last FROM ({_GAPS}) AS gaps
    ) AS filled LIMIT 1
"""  # noqa: S608 - constants


def runs_of(numbers: Iterable[int]) -> list[SeqRange]:
    """Numbers as the ranges they form, in order."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number <= runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [SeqRange(first, last) for first, last in runs]


def add_known(transaction: Transaction, pole: Pole, run: SeqRange) -> list[SeqRange]:
    """These numbers are accounted for; the ranges of which some were before.

    A range that would be one too many is not kept: its numbers show as missing, if others
    overtake them, and are accounted for when they are sent again.
    """
    named = (pole.site, pole.node)
    touching = transaction.select(
        SeqRange,
        "SELECT first, last FROM seq_known WHERE site = ? AND node = ? AND first <= ?"
        " ORDER BY first DESC LIMIT 1",
        (*named, run.first),
    )
    if touching and touching[0].last < run.first - 1:
        touching = []
    touching += transaction.select(
        SeqRange,
        "SELECT first, last FROM seq_known"
        " WHERE site = ? AND node = ? AND first > ? AND first <= ?",
        (*named, run.first, run.last + 1),
    )
    first = min([run.first, *(known.first for known in touching)])
    last = max([run.last, *(known.last for known in touching)])
    if not touching and _ranges(transaction, pole) >= MAX_RANGES:
        return []
    for known in touching:
        if known.first != first:
            transaction.execute(
                "DELETE FROM seq_known WHERE site = ? AND node = ? AND first = ?",
                (*named, known.first),
            )
    transaction.execute(
        "INSERT INTO seq_known (site, node, first, last) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (site, node, first) DO UPDATE SET last = excluded.last",
        (*named, first, last),
    )
    return [known for known in touching if known.first <= run.last and known.last >= run.first]


def forget_from(transaction: Transaction, pole: Pole, seq: int) -> None:
    """The node counts from this number again: what it and those above it were is over."""
    named = (pole.site, pole.node)
    transaction.execute(
        "DELETE FROM seq_known WHERE site = ? AND node = ? AND first >= ?", (*named, seq)
    )
    transaction.execute(
        "UPDATE seq_known SET last = ? WHERE site = ? AND node = ? AND last >= ?",
        (seq - 1, *named, seq),
    )


def gaps_within(transaction: Transaction, pole: Pole, asked: SeqRange) -> list[SeqRange]:
    """What of a range is not accounted for."""
    known = transaction.select(
        SeqRange,
        "SELECT first, last FROM seq_known"
        " WHERE site = ? AND node = ? AND first <= ? AND last >= ? ORDER BY first",
        (pole.site, pole.node, asked.last, asked.first),
    )
    gaps: list[SeqRange] = []
    at = asked.first
    for one in known:
        if one.first > at:
            gaps.append(SeqRange(at, one.first - 1))
        at = one.last + 1
    if at <= asked.last:
        gaps.append(SeqRange(at, asked.last))
    return gaps


def lose(
    transaction: Transaction, pole: Pole, absent: SeqRange, command_id: str, now_utc_us: int
) -> int:
    """The node has these no more: lost, so far as they did not come; how many ranges are."""
    gaps = gaps_within(transaction, pole, absent)
    for gap in gaps:
        transaction.execute(
            "INSERT INTO seq_lost (site, node, first, last, command_id, t_utc_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (pole.site, pole.node, gap.first, gap.last, command_id, now_utc_us),
        )
        add_known(transaction, pole, gap)
    return len(gaps)


def find_again(transaction: Transaction, pole: Pole, seq: int) -> bool:
    """An alert came that may be lost by record: it is not, any more; whether it was."""
    lost = transaction.values(
        "SELECT row, first, last, command_id, t_utc_us FROM seq_lost"
        " WHERE site = ? AND node = ? AND first <= ? AND last >= ?",
        (pole.site, pole.node, seq, seq),
    )
    for row, first, last, command_id, t_utc_us in lost:
        transaction.execute("DELETE FROM seq_lost WHERE row = ?", (row,))
        assert isinstance(first, int)
        assert isinstance(last, int)
        for part in (SeqRange(first, seq - 1), SeqRange(seq + 1, last)):
            if part.first <= part.last:
                transaction.execute(
                    "INSERT INTO seq_lost (site, node, first, last, command_id, t_utc_us)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (pole.site, pole.node, part.first, part.last, command_id, t_utc_us),
                )
    return bool(lost)


def is_missing_stale(transaction: Transaction) -> bool:
    """Whether `seq_missing` says something else than `seq_known`."""
    return bool(transaction.values(_DIFFERENT))


def renew_missing(transaction: Transaction, now_utc_us: int) -> None:
    """Write down the gaps as they are; what is left of one keeps its times."""
    before = transaction.select(MissingRow, _MISSING)
    gaps = set(transaction.select(Gap, _GAPS))
    standing = {row.gap for row in before}
    for row in before:
        if row.gap not in gaps:
            transaction.execute(
                "DELETE FROM seq_missing WHERE site = ? AND node = ? AND first = ?",
                (row.site, row.node, row.first),
            )
    in_order = sorted(before, key=lambda row: row.gap)
    for gap in sorted(gaps - standing):
        parent = _covering(in_order, gap)
        since_us = now_utc_us if parent is None else parent.t_since_utc_us
        asked_us = None if parent is None else parent.t_asked_utc_us
        transaction.execute(
            "INSERT INTO seq_missing (site, node, first, last, t_since_utc_us, t_asked_utc_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (gap.site, gap.node, gap.first, gap.last, since_us, asked_us),
        )


def _ranges(transaction: Transaction, pole: Pole) -> int:
    ((ranges,),) = transaction.values(
        "SELECT COUNT(*) FROM seq_known WHERE site = ? AND node = ?", (pole.site, pole.node)
    )
    assert isinstance(ranges, int)
    return ranges


def _covering(in_order: list[MissingRow], gap: Gap) -> MissingRow | None:
    """The row of which this gap is what is left."""
    index = bisect.bisect_right(in_order, (gap.site, gap.node, gap.first), key=_place_of)
    row = in_order[index - 1] if index else None
    if row is None or (row.site, row.node) != (gap.site, gap.node) or row.last < gap.last:
        return None
    return row


def _place_of(row: MissingRow) -> tuple[str, str, int]:
    return row.site, row.node, row.first
