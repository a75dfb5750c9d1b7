"""The addresses of the pages: one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from aiohttp import web

from roeh.retrieve.pages import audit_pages, export_pages, looking_pages
from roeh.retrieve.pages.page_visit import PageHandler, served
from roeh.retrieve.pages.static_files import StaticFile, static_files
from roeh.retrieve.visits.service import Service

#: Ids are of a fixed form, so nothing else reaches a handler.
_UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_EXPORT = f"/exports/{{export_id:{_UUID7}}}"


class PageRoute(msgspec.Struct, frozen=True):
    """One address."""

    method: Literal["GET", "POST"]
    path: str
    handler: PageHandler


PAGES: tuple[PageRoute, ...] = (
    PageRoute("GET", "/", looking_pages.overview),
    PageRoute("GET", "/timeline", looking_pages.timeline),
    PageRoute("GET", "/moment", looking_pages.moment),
    PageRoute("GET", "/hold", looking_pages.hold_form),
    PageRoute("POST", "/hold", looking_pages.hold),
    PageRoute("GET", "/release", looking_pages.release_form),
    PageRoute("POST", "/release", looking_pages.release),
    PageRoute("GET", "/export", export_pages.request_form),
    PageRoute("POST", "/export", export_pages.request),
    PageRoute("GET", _EXPORT, export_pages.detail),
    PageRoute("GET", f"{_EXPORT}/request.json", export_pages.request_file),
    PageRoute("GET", f"{_EXPORT}/progress", export_pages.progress),
    PageRoute("POST", f"{_EXPORT}/approval", export_pages.approval),
    PageRoute("GET", "/custody", audit_pages.custody),
    PageRoute("GET", "/trust", audit_pages.trust),
    PageRoute("POST", "/trust", audit_pages.offer_trust),
)


def add_pages(app: web.Application, service: Service) -> None:
    """Serve the pages and their static files beside the API."""
    for page in PAGES:
        add = app.router.add_get if page.method == "GET" else app.router.add_post
        add(page.path, served(service, page.handler))
    for file in static_files().values():
        app.router.add_get(file.path, _sends(file))


def _sends(file: StaticFile) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def send(_request: web.Request) -> web.Response:
        return web.Response(body=file.body, content_type=file.media_type, charset="utf-8")

    return send
