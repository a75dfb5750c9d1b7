"""What the pages ask, answered by the service; each is judged there, as for the API."""

from __future__ import annotations

from roeh.core.retrieval import ExportRequest
from roeh.retrieve.answers import (
    Custody,
    Export,
    Exports,
    Hold,
    Holds,
    NodeAnswer,
    Timeline,
    ToApprove,
    TrustState,
)
from roeh.retrieve.questions import HoldBody
from roeh.retrieve.service import Service
from roeh.retrieve.visit import Visit


class ServiceSource:
    """The service under the names that the pages know."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def node(self, visit: Visit) -> NodeAnswer:
        """This pole, and who asks."""
        return await self._service.auditing.node(visit)

    async def timeline(self, visit: Visit, from_utc_us: int, to_utc_us: int) -> Timeline:
        """What is held."""
        return await self._service.looking.timeline(visit, from_utc_us, to_utc_us)

    async def holds(self, visit: Visit, after: int) -> Holds:
        """A page of holds."""
        return await self._service.looking.holds(visit, after)

    async def place_hold(self, visit: Visit, body: HoldBody) -> Hold:
        """Keep a span."""
        return await self._service.looking.hold(visit, body)

    async def release_hold(self, visit: Visit, hold_id: str, reason: str) -> Hold:
        """Ask for a hold's end, or confirm it."""
        return await self._service.looking.release(visit, hold_id, reason)

    async def exports(self, visit: Visit, after: int) -> Exports:
        """A page of exports."""
        return await self._service.exporting.page(visit, after)

    async def export(self, visit: Visit, export_id: str) -> Export:
        """One export."""
        return await self._service.exporting.one(visit, export_id)

    async def to_approve(self, visit: Visit, export_id: str) -> ToApprove:
        """What an approver signs."""
        return await self._service.exporting.to_approve(visit, export_id)

    async def request_export(self, visit: Visit, request: ExportRequest) -> Export:
        """Ask for an export."""
        return await self._service.exporting.request(visit, request)

    async def approve(self, visit: Visit, export_id: str, signed: bytes) -> Export:
        """Hand in an approval."""
        return await self._service.exporting.approve(visit, export_id, signed)

    async def custody(self, visit: Visit, after: int) -> Custody:
        """A page of the custody log."""
        return await self._service.auditing.custody(visit, after)

    async def offer_trust(self, visit: Visit, signed: bytes) -> TrustState:
        """Hand in a trust list."""
        return await self._service.auditing.offer_trust_list(visit, signed)
