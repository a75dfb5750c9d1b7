"""The pole itself, its custody log and its trust list, as people may see them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

import roeh
from roeh.access.roles import may
from roeh.core.config import NodeConfig
from roeh.core.custody import MAX_PAGE_ROWS, RecordsPage, RecordsRequest
from roeh.core.peers import NodeStatus, Verb
from roeh.core.retrieval import (
    Action,
    Names,
    NamesRequest,
    OfferTrustList,
    TrustHeld,
    TrustHeldRequest,
)
from roeh.retrieve.api.answers import Custody, Export, NodeAnswer, TrustState
from roeh.retrieve.door.problems import not_there
from roeh.retrieve.health.node_health import exports_waiting, node_health
from roeh.retrieve.health.status import StatusFeed
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.judging import Judge
from roeh.retrieve.visits.ledger_reading import first_leaf_at
from roeh.retrieve.visits.visit import Visit

#: Records of the ledger that tell who did what with evidence.
CUSTODY_KINDS = (
    "access",
    "access_refused",
    "hold",
    "release",
    "export_request",
    "approval",
    "export",
    "trust_list",
    "erasure",
)
#: Names asked for at once (core/retrieval.py).
_MAX_NAMES = 1000
#: Walking back: how many leaves at first, and how many records are worth a page; fewer of them
#: are all that there are.
_FIRST_WINDOW = 2000
WANTED_RECORDS = 50
#: Before no leaf that there can be: from the end of the log.
NEWEST = 2**53
#: Pages read for one export: other people's looks lie between its steps.
_MAX_PAGES = 50
_PSEUDONYM = re.compile(rb'"([pc]-[0-9a-f]{16})"')


class Auditing:
    """Tells how the pole is and what was done with its evidence."""

    def __init__(
        self,
        config: NodeConfig,
        link: EvidenceLink,
        judge: Judge,
        feed: StatusFeed,
    ) -> None:
        self._config = config
        self._link = link
        self._judge = judge
        self._feed = feed

    async def node(self, visit: Visit) -> NodeAnswer:
        """This pole, and who is asking it.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        judged = await self._judge.judge(visit, Action.SEE_HEALTH)
        status = await self._feed.newest()
        if not isinstance(status, NodeStatus):
            raise status
        now = self._feed.now()
        health = node_health(self._config, status, now, roeh.__version__)
        return NodeAnswer(
            site=health.site,
            node=health.node,
            software=health.software,
            boot_id=health.boot_id,
            t_utc_us=health.t_utc_us,
            clock=health.clock,
            cameras=tuple(sensor.name for sensor in self._config.sensors),
            condition=health.condition,
            processes=health.processes,
            storage_state=health.storage_state,
            alarms=status.alarms,
            trust=_state(await self.held()),
            exports_waiting=exports_waiting(status),
            person=judged.person,
            pseudonym=judged.pseudonym,
            may=tuple(action for action in Action if may(judged.person.role, action)),
        )

    async def custody(self, visit: Visit, after: int = -1, before: int | None = None) -> Custody:
        """A page of the custody log: after a leaf, or the newest before one.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        where = f"after leaf {after}" if before is None else f"before leaf {before}"
        where = "from the end" if before == NEWEST else where
        await self._judge.judge(visit, Action.SEE_CUSTODY, where)
        page = await self._page(after)
        if before is None:
            return await self._custody(page.records, page.size)
        return await self._custody(await self._newest(min(before, page.size)), page.size)

    async def custody_of(self, visit: Visit, export: Export) -> Custody:
        """What is on record of one export and of the hold that keeps its span.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        await self._judge.judge(
            visit, Action.SEE_CUSTODY, f"export {export.id}", export_id=export.id
        )
        wanted = (f'"{export.id}"'.encode(), f'"{export.hold_id}"'.encode())
        after = await first_leaf_at(self._link, export.t_utc_us) - 1
        found: list[bytes] = []
        for _ in range(_MAX_PAGES):
            page = await self._page(after)
            found += [raw for raw in page.records if any(name in raw for name in wanted)]
            if not page.records:
                break
            after = _leaf(page.records[-1])
        return await self._custody(found, page.size)

    async def _custody(self, records: Sequence[bytes], size: int) -> Custody:
        if not records:
            return Custody(records=(), names={}, after=None, size=size)
        named = {found.decode() for raw in records for found in _PSEUDONYM.findall(raw)}
        wanted = NamesRequest(tuple(sorted(named))[:_MAX_NAMES])
        # Without one named, all would be meant.
        names = (await self._link.ask(Verb.NAMES_READ, wanted, Names)).names if named else {}
        return Custody(
            records=tuple(msgspec.Raw(raw) for raw in records),
            names=names,
            after=_leaf(records[-1]),
            size=size,
        )

    async def _newest(self, before: int) -> Sequence[bytes]:
        """The last records of custody before a leaf: further back the fewer there are."""
        length = _FIRST_WINDOW
        while True:
            start = max(0, before - length)
            found: list[bytes] = []
            after = start - 1
            while True:
                page = (await self._page(after)).records
                found += [raw for raw in page if _leaf(raw) < before]
                if not page or _leaf(page[-1]) >= before:
                    break
                after = _leaf(page[-1])
            if len(found) >= WANTED_RECORDS or start == 0:
                return found[-MAX_PAGE_ROWS:]
            length *= 4

    async def _page(self, after: int) -> RecordsPage:
        asked = RecordsRequest(after=after, kinds=CUSTODY_KINDS)
        return await self._link.ask(Verb.RECORDS_PAGE, asked, RecordsPage)

    async def trust_list(self, visit: Visit) -> bytes:
        """The trust list in force, as it was signed.

        Raises:
            HttpProblem: there is none.
            RoehError: refused, or evidence cannot answer.
        """
        await self._judge.judge(visit, Action.SEE_HEALTH, "trust list")
        held = await self.held()
        if not held.signed:
            raise not_there("a trust list")
        return held.signed

    async def offer_trust_list(self, visit: Visit, signed: bytes) -> TrustState:
        """Hand over a trust list; evidence keeps it if it is newer than the one held.

        Raises:
            RoehError: it is not believed, or older, or evidence cannot answer.
        """
        offer = OfferTrustList(signed=signed, via="https", visitor=visit.visitor)
        return _state(await self._link.ask(Verb.TRUST_OFFER, offer, TrustHeld))

    async def held(self) -> TrustHeld:
        """The trust list in force, for the pole itself.

        Raises:
            RoehError: evidence cannot answer.
        """
        return await self._link.ask(Verb.TRUST_HELD, TrustHeldRequest(), TrustHeld)


def _leaf(raw: bytes) -> int:
    return msgspec.json.decode(raw, type=_Leaf).leaf


class _Leaf(msgspec.Struct, frozen=True):
    leaf: int


def _state(held: TrustHeld) -> TrustState:
    return TrustState(
        version=held.version,
        issued_utc_us=held.issued_utc_us,
        age_us=held.age_us,
        is_stale=held.is_stale,
    )
