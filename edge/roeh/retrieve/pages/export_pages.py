"""Pages about exports: the request, its state, what is signed, the signed file."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from roeh.core.errors import RoehError
from roeh.core.retrieval import MAX_SIGNED_BYTES, Action, ExportRequest
from roeh.retrieve.api.answers import Export
from roeh.retrieve.api.questions import MAX_TIMELINE_US
from roeh.retrieve.door.problems import HttpProblem, not_there
from roeh.retrieve.pages.forms import FieldFault, Form, FormReader, regions_written
from roeh.retrieve.pages.looking_pages import in_fields, shots_of, with_id
from roeh.retrieve.pages.page_visit import PageVisit
from roeh.retrieve.pages.presenting import detail_of, progress_words
from roeh.retrieve.pages.views import RegionText, RequestView, Shot

#: Rows of numbers that a form has, and that one press of a button adds.
_REGION_ROWS = 4
_MAX_REGIONS = 64
#: Cameras whose pictures are shown to choose regions on.
_MAX_STILLS = 4


class ExportProgress(msgspec.Struct, frozen=True):
    """What the page asks for while an export is built; `words` are plain text."""

    state: str
    bytes_done: int
    bytes_total: int
    words: str


async def request_form(page: PageVisit) -> web.Response:
    """The form of a request."""
    return await _form_page(page, page.asked())


async def request(page: PageVisit) -> web.Response:
    """Take the request; the same form sent twice is one request."""
    form = await page.posted()
    if form.value("step"):
        return await _form_page(page, form, more=form.value("step") == "more")
    redacted = _kind(page) == "redacted"
    reader = FormReader(form, page.zone)
    wish = reader.export(page.cameras, redacted=redacted)
    form = with_id(page, form)
    if wish is None:
        return await _form_page(page, form.wrong(reader.faults))
    asked = ExportRequest(
        id=form.value("id"),
        site=page.node.site,
        node=page.node.node,
        kind="redacted" if redacted else "full",
        case_number=wish.case_number,
        legal_basis=wish.legal_basis,
        reason=wish.reason,
        cameras=wish.span.cameras,
        from_utc_us=wish.span.from_utc_us,
        to_utc_us=wish.span.to_utc_us,
        recipients=wish.recipients,
        regions=wish.regions,
        requester_number=page.node.person.number,
        requested_utc_us=page.now_utc_us,
    )
    try:
        known = await _known(page, asked.id)
        if known is None:
            await page.service.exporting.request(page.visit, asked)
    except (RoehError, HttpProblem) as error:
        return await _form_page(page, form, problem=error)
    return page.go_to(f"/exports/{asked.id}?done=requested")


async def detail(page: PageVisit) -> web.Response:
    """One export."""
    return await _detail_page(page, Form())


async def request_file(page: PageVisit) -> web.Response:
    """The request as it is hashed and signed, to take along."""
    export_id = page.request.match_info["export_id"]
    words = await page.service.exporting.to_approve(page.visit, export_id)
    return web.Response(
        body=words.request.encode(),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="request-{words.id}.json"'},
    )


async def progress(page: PageVisit) -> web.Response:
    """How far it is, for the script of the page."""
    export = await page.service.exporting.one(page.visit, page.request.match_info["export_id"])
    answer = ExportProgress(
        state=export.state,
        bytes_done=export.bytes_done,
        bytes_total=export.bytes_total,
        words=progress_words(export, page.words).unescape(),
    )
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


async def approval(page: PageVisit) -> web.Response:
    """Take the signed file."""
    signed = await page.uploaded("approval_file", MAX_SIGNED_BYTES)
    if isinstance(signed, FieldFault):
        return await _detail_page(page, Form(errors=(signed,)))
    try:
        decided = await page.service.exporting.approve(
            page.visit, page.request.match_info["export_id"], signed
        )
    except (RoehError, HttpProblem) as error:
        return await _detail_page(page, Form(), problem=error)
    done = "refused" if decided.state == "refused" else "approved"
    return page.go_to(f"/exports/{decided.id}?done={done}")


def _kind(page: PageVisit) -> Literal["full", "redacted"]:
    return "redacted" if Action.REQUEST_REDACTED in page.node.may else "full"


async def _known(page: PageVisit, export_id: str) -> Export | None:
    try:
        return await page.service.exporting.one(page.visit, export_id)
    except HttpProblem:
        return None


async def _form_page(
    page: PageVisit,
    form: Form,
    *,
    more: bool = False,
    problem: RoehError | HttpProblem | None = None,
) -> web.Response:
    if not {Action.REQUEST_EXPORT, Action.REQUEST_REDACTED} & set(page.node.may):
        raise not_there("a form for your role")
    form = with_id(page, in_fields(page, form, None))
    span = FormReader(form, page.zone).times()
    kind = _kind(page)
    stills: list[Shot] = []
    if kind == "redacted" and span is not None:
        for shot in await shots_of(page, _still_cameras(page, form), span[0], _still_end(span)):
            size = None
            if shot.still:
                size = await page.service.looking.recorded_size(shot.camera_id, shot.at_utc_us)
            stills.append(
                shot
                if size is None
                else msgspec.structs.replace(shot, width_px=size.width_px, height_px=size.height_px)
            )
    view = RequestView(
        kind=kind,
        stills=tuple(stills),
        regions=_region_rows(form, more=more),
    )
    return page.html("export.html", view=view, form=form, problem=problem)


def _still_cameras(page: PageVisit, form: Form) -> list[str]:
    return [name for name in page.cameras if name in form.values("camera")][:_MAX_STILLS]


def _still_end(span: tuple[int, int]) -> int:
    """A day of a longer span is looked through for its first picture."""
    return min(span[1], span[0] + MAX_TIMELINE_US)


def _region_rows(form: Form, *, more: bool) -> tuple[RegionText, ...]:
    written = regions_written(form)
    rows = len(written) + (_REGION_ROWS if more or not written else 0)
    return (*written, *(RegionText() for _ in range(rows - len(written))))[:_MAX_REGIONS]


async def _detail_page(
    page: PageVisit, form: Form, *, problem: RoehError | HttpProblem | None = None
) -> web.Response:
    export = await page.service.exporting.one(page.visit, page.request.match_info["export_id"])
    custody = None
    if Action.SEE_CUSTODY in page.node.may:
        custody = await page.service.auditing.custody_of(page.visit, export)
    view = detail_of(
        export,
        custody,
        page.words,
        node=page.node,
        host=page.request.host,
        is_trust_stale=page.is_trust_stale,
    )
    return page.html("export_detail.html", view=view, form=form, problem=problem)
