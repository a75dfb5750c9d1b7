"""The pole itself, its custody log and its trust list, as people may see them."""

from __future__ import annotations

import re

import msgspec

import roeh
from roeh.access.roles import may
from roeh.core.config import NodeConfig
from roeh.core.peers import NodeStatus, RecordsPage, RecordsRequest, Verb
from roeh.core.retrieval import (
    Action,
    Names,
    NamesRequest,
    OfferTrustList,
    TrustHeld,
    TrustHeldRequest,
)
from roeh.retrieve.answers import Custody, NodeAnswer, TrustState
from roeh.retrieve.exporting import Exporting
from roeh.retrieve.health import node_health
from roeh.retrieve.judging import Judge
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.problems import not_there
from roeh.retrieve.status import StatusFeed
from roeh.retrieve.visit import Visit

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
_PSEUDONYM = re.compile(rb'"([pc]-[0-9a-f]{16})"')


class Auditing:
    """Tells how the pole is and what was done with its evidence."""

    def __init__(
        self,
        config: NodeConfig,
        link: EvidenceLink,
        judge: Judge,
        feed: StatusFeed,
        exporting: Exporting,
    ) -> None:
        self._config = config
        self._link = link
        self._judge = judge
        self._feed = feed
        self._exporting = exporting

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
            exports_waiting=await self._exporting.waiting(),
            person=judged.person,
            pseudonym=judged.pseudonym,
            may=tuple(action for action in Action if may(judged.person.role, action)),
        )

    async def custody(self, visit: Visit, after: int) -> Custody:
        """A page of the custody log.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        await self._judge.judge(visit, Action.SEE_CUSTODY, f"after leaf {after}")
        asked = RecordsRequest(after=after, kinds=CUSTODY_KINDS)
        page = await self._link.ask(Verb.RECORDS_PAGE, asked, RecordsPage)
        if not page.records:
            return Custody(records=(), names={}, after=None, size=page.size)
        named = {found.decode() for raw in page.records for found in _PSEUDONYM.findall(raw)}
        names = await self._link.ask(
            Verb.NAMES_READ, NamesRequest(tuple(sorted(named))[:1000]), Names
        )
        return Custody(
            records=tuple(msgspec.Raw(raw) for raw in page.records),
            names=names.names if named else {},
            after=msgspec.json.decode(page.records[-1], type=_Leaf).leaf,
            size=page.size,
        )

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


class _Leaf(msgspec.Struct, frozen=True):
    leaf: int


def _state(held: TrustHeld) -> TrustState:
    return TrustState(
        version=held.version,
        issued_utc_us=held.issued_utc_us,
        age_us=held.age_us,
        is_stale=held.is_stale,
    )
