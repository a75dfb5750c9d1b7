"""Serves the table of routes: parses what is asked, calls the endpoint, encodes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from roeh.core.retrieval import Action
from roeh.retrieve.api.endpoints import Call, Picture
from roeh.retrieve.api.openapi import openapi_document
from roeh.retrieve.api.questions import Nothing, parse_body, parse_texts
from roeh.retrieve.api.routes import API, ROUTES, Route
from roeh.retrieve.door.problems import HttpProblem, malformed
from roeh.retrieve.visits.service import Service
from roeh.retrieve.visits.visit import VISIT

#: A body arrives within this.
BODY_S = 30.0

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_api(app: web.Application, service: Service) -> None:
    """Every address of the table, and the document that describes them."""
    for route in ROUTES:
        # HEAD goes with GET.
        add = app.router.add_get if route.method == "GET" else app.router.add_post
        add(API + route.path, _handler(route, service))
    document = msgspec.json.encode(openapi_document(ROUTES))

    async def openapi(request: web.Request) -> web.Response:
        parse_texts(request.query, Nothing)
        await service.judge.judge(request[VISIT], Action.SEE_HEALTH, "openapi")
        return web.Response(body=document, content_type="application/json")

    app.router.add_get(f"{API}/openapi.json", openapi)


def _handler(route: Route, service: Service) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        call = Call(
            visit=request[VISIT],
            path=parse_texts(request.match_info, route.path_type),
            query=parse_texts(request.query, route.query_type),
            body=await _body(request, route),
            request=request,
        )
        answer = await route.endpoint(service, call)
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, Picture):
            return web.Response(body=answer.content, content_type=answer.media_type)
        return web.Response(
            body=msgspec.json.encode(answer), status=route.success, content_type="application/json"
        )

    return handle


async def _body(request: web.Request, route: Route) -> msgspec.Struct | bytes | None:
    """The body as the route takes it, within its size and time."""
    raw = await read_body(request, route.max_body_bytes if route.bodies else 0)
    if not route.bodies:
        return None
    # Parameters of the type (charset, smime-type) do not matter.
    body_type = route.bodies.get(request.content_type)
    if body_type is None:
        raise HttpProblem(
            415,
            code="MESSAGE_REFUSED",
            what="is not taken here",
            which="this Content-Type",
            remedy=f"send {' or '.join(route.bodies)}",
        )
    if body_type is bytes:
        if not raw:
            raise malformed("is empty", "the body")
        return raw
    assert issubclass(body_type, msgspec.Struct)
    return parse_body(raw, body_type)


async def read_body(request: web.Request, at_most_bytes: int) -> bytes:
    """A body within its size and time.

    Raises:
        HttpProblem: it is longer.
        asyncio.TimeoutError: it did not arrive in time.
    """
    too_long = HttpProblem(
        413,
        code="MESSAGE_REFUSED",
        what="the body is too long",
        which="this request",
        remedy=f"send at most {at_most_bytes} bytes",
        closes=True,
    )
    if request.content_length is not None and request.content_length > at_most_bytes:
        raise too_long

    async def read() -> bytes:
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > at_most_bytes:
                raise too_long
        return bytes(body)

    return await asyncio.wait_for(read(), BODY_S)
