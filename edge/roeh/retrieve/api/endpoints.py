"""One function an address of the API: from a parsed call to a typed answer."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

import msgspec
from aiohttp import web

from roeh.core.retrieval import ExportRequest
from roeh.retrieve.api.answers import (
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
from roeh.retrieve.api.questions import (
    AlertPath,
    CameraPath,
    CustodyQuestion,
    ExportPath,
    HoldBody,
    HoldPath,
    MomentQuestion,
    Nothing,
    PageQuestion,
    PreviewQuestion,
    ReleaseBody,
    SpanQuestion,
    TakenBody,
)
from roeh.retrieve.visits.fetching import range_of
from roeh.retrieve.visits.service import Service
from roeh.retrieve.visits.visit import Visit

#: A preview is taken within this, since it is in memory until then.
_PREVIEW_S = 60.0

PathT = TypeVar("PathT")
QueryT = TypeVar("QueryT")
BodyT = TypeVar("BodyT")


class Call(msgspec.Struct, Generic[PathT, QueryT, BodyT], frozen=True):
    """A request whose every part was parsed."""

    visit: Visit
    path: PathT
    query: QueryT
    body: BodyT
    request: web.Request


class Picture(msgspec.Struct, frozen=True):
    """An answer that is no JSON."""

    content: bytes
    media_type: str


async def node(service: Service, call: Call[Nothing, Nothing, None]) -> NodeAnswer:
    """This pole, and what you may do here."""
    return await service.auditing.node(call.visit)


async def timeline(service: Service, call: Call[Nothing, SpanQuestion, None]) -> Timeline:
    """What is held of a stretch of time, a day at the most."""
    query = call.query
    return await service.looking.timeline(
        call.visit, query.from_utc_us, query.to_utc_us, query.camera
    )


async def thumbnail(service: Service, call: Call[AlertPath, Nothing, None]) -> Picture:
    """The picture of an alert."""
    picture = await service.looking.thumbnail(call.visit, call.path.alert_id)
    return Picture(picture, "image/webp" if picture[8:12] == b"WEBP" else "image/jpeg")


async def still(service: Service, call: Call[CameraPath, MomentQuestion, None]) -> Picture:
    """One picture of a camera."""
    query = call.query
    picture = await service.looking.still(call.visit, call.path.camera, query.at_utc_us, query)
    return Picture(picture, "image/jpeg")


async def preview(
    service: Service, call: Call[CameraPath, PreviewQuestion, None]
) -> web.StreamResponse:
    """A small video of a minute at the most."""
    query = call.query
    making = service.looking.preview(
        call.visit, call.path.camera, (query.from_utc_us, query.to_utc_us), query
    )
    async with making as video:
        response = _of_range(video, call.request.headers.get("Range"))
        await response.prepare(call.request)
        try:
            await asyncio.wait_for(response.write_eof(), _PREVIEW_S)
        except asyncio.TimeoutError:
            if call.request.transport is not None:
                call.request.transport.abort()
            raise ConnectionResetError("the preview was taken too slowly") from None
    return response


def _of_range(video: bytes, asked: str | None) -> web.Response:
    """A player moves about only in what can be asked for in parts, however small it is."""
    stretch = None if asked is None else range_of(asked, len(video))
    headers = {"Accept-Ranges": "bytes"}
    if stretch is None:
        return web.Response(body=video, content_type="video/mp4", headers=headers)
    headers["Content-Range"] = f"bytes {stretch.start}-{stretch.stop - 1}/{len(video)}"
    part = video[stretch.start : stretch.stop]
    return web.Response(body=part, status=206, content_type="video/mp4", headers=headers)


async def holds(service: Service, call: Call[Nothing, PageQuestion, None]) -> Holds:
    """Holds, from the oldest on."""
    return await service.looking.holds(call.visit, call.query.after)


async def hold(service: Service, call: Call[Nothing, Nothing, HoldBody]) -> Hold:
    """Keep a stretch of time of these cameras."""
    return await service.looking.hold(call.visit, call.body)


async def release(service: Service, call: Call[HoldPath, Nothing, ReleaseBody]) -> Hold:
    """Ask for the end of a hold, or confirm what another person asked for."""
    return await service.looking.release(call.visit, call.path.hold_id, call.body.reason)


async def exports(service: Service, call: Call[Nothing, PageQuestion, None]) -> Exports:
    """Exports: all for approvers and auditors, their own for others."""
    return await service.exporting.page(call.visit, call.query.after)


async def request_export(
    service: Service, call: Call[Nothing, Nothing, ExportRequest | bytes]
) -> Export:
    """Ask for an export: said over TLS (JSON), or signed (CMS)."""
    if isinstance(call.body, bytes):
        return await service.exporting.request_raw(call.visit, call.body)
    return await service.exporting.request(call.visit, call.body)


async def export(service: Service, call: Call[ExportPath, Nothing, None]) -> Export:
    """How far an export is."""
    return await service.exporting.one(call.visit, call.path.export_id)


async def to_approve(service: Service, call: Call[ExportPath, Nothing, None]) -> ToApprove:
    """What an approver signs, byte for byte."""
    return await service.exporting.to_approve(call.visit, call.path.export_id)


async def approval(service: Service, call: Call[ExportPath, Nothing, bytes]) -> Export:
    """Hand over a signed approval or refusal (CMS)."""
    return await service.exporting.approve(call.visit, call.path.export_id, call.body)


async def bundle(service: Service, call: Call[ExportPath, Nothing, None]) -> web.StreamResponse:
    """Fetch the encrypted bundle, from any byte on."""
    return await service.fetching.fetch(call.visit, call.path.export_id, call.request)


async def taken(service: Service, call: Call[ExportPath, Nothing, TakenBody]) -> Export:
    """Say that the bundle arrived whole."""
    return await service.fetching.taken(call.visit, call.path.export_id, call.body.sha256)


async def custody(service: Service, call: Call[Nothing, CustodyQuestion, None]) -> Custody:
    """Who did what with evidence, from the first record on."""
    return await service.auditing.custody(call.visit, call.query.after, call.query.before)


async def trust_list(service: Service, call: Call[Nothing, Nothing, None]) -> Picture:
    """The trust list in force, as it was signed (CMS)."""
    return Picture(await service.auditing.trust_list(call.visit), "application/pkcs7-mime")


async def offer_trust_list(service: Service, call: Call[Nothing, Nothing, bytes]) -> TrustState:
    """Hand over a trust list (CMS); it is kept if it is newer than the one held."""
    return await service.auditing.offer_trust_list(call.visit, call.body)
