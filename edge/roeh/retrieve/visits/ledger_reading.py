"""Finds records of a time in a ledger that may hold years, without reading all of it."""

from __future__ import annotations

import msgspec

from roeh.core.custody import RecordsPage, RecordsRequest
from roeh.core.peers import Verb
from roeh.ledger.records import Record
from roeh.retrieve.link import EvidenceLink

#: By how much records may lie out of the order of UTC: a clock that was set meanwhile.
_DISORDER_US = 3600 * 1_000_000


class RecordsBetween(msgspec.Struct, frozen=True):
    """Records of a stretch of UTC; not `is_complete`: there are more."""

    records: tuple[Record, ...]
    is_complete: bool


async def first_leaf_at(link: EvidenceLink, t_utc_us: int) -> int:
    """The leaf from which on records are of this time or later, give or take a clock's step.

    Raises:
        RoehError: evidence cannot answer.
    """
    wanted_us = t_utc_us - _DISORDER_US
    low = 0
    high = (await _page(link, RecordsRequest(after=-1, limit=1))).size
    while low < high:
        middle = (low + high) // 2
        page = await _page(link, RecordsRequest(after=middle - 1, limit=1))
        if not page.records:
            high = middle
        elif msgspec.json.decode(page.records[0], type=Record).t_utc_us < wanted_us:
            low = middle + 1
        else:
            high = middle
    return low


async def records_between(
    link: EvidenceLink,
    kinds: tuple[str, ...],
    from_utc_us: int,
    to_utc_us: int,
    *,
    first: int,
    at_most: int,
) -> RecordsBetween:
    """Records of these kinds from leaf `first` on that were made in [from, to).

    Raises:
        RoehError: evidence cannot answer.
    """
    found: list[Record] = []
    after = first - 1
    while True:
        page = await _page(link, RecordsRequest(after=after, kinds=kinds))
        for raw in page.records:
            record = msgspec.json.decode(raw, type=Record)
            after = record.leaf
            if from_utc_us <= record.t_utc_us < to_utc_us:
                found.append(record)
            if len(found) > at_most:
                return RecordsBetween(tuple(found[:at_most]), is_complete=False)
            if record.t_utc_us > to_utc_us + _DISORDER_US:
                return RecordsBetween(tuple(found), is_complete=True)
        if not page.records:
            return RecordsBetween(tuple(found), is_complete=True)


async def _page(link: EvidenceLink, request: RecordsRequest) -> RecordsPage:
    return await link.ask(Verb.RECORDS_PAGE, request, RecordsPage)
