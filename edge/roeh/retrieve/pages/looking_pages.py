"""Pages on which people look and hold: overview, timeline, moment, hold, release."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from roeh.core.errors import RoehError
from roeh.core.ids import ClockIds
from roeh.core.rendering import MAX_PREVIEW_US
from roeh.core.retrieval import Action
from roeh.retrieve.api.answers import Export
from roeh.retrieve.api.questions import MAX_TIMELINE_US, HoldBody
from roeh.retrieve.door.problems import HttpProblem
from roeh.retrieve.pages.forms import Form, FormReader, is_uuid7
from roeh.retrieve.pages.page_visit import PageVisit
from roeh.retrieve.pages.presenting import (
    first_recorded,
    overview_of,
    preview_path,
    still_path,
    stretches_of,
    thumbnail_path,
)
from roeh.retrieve.pages.templates import span_path
from roeh.retrieve.pages.timeline_view import timeline_view
from roeh.retrieve.pages.times import US_PER_S, Times
from roeh.retrieve.pages.views import SIGHTS, MomentView, Shot

_HOUR_US = 3600 * 1_000_000
#: Of the list on the overview, and of the pages it is put together from.
_SHOWN_EXPORTS = 30
_MAX_EXPORT_PAGES = 40
#: Cameras of one moment: their pictures are made one after the other.
_MAX_SHOTS = 4


async def overview(page: PageVisit) -> web.Response:
    """How the pole is, who asks and what they may, exports."""
    if Action.SEE_EXPORTS not in page.node.may:
        return page.html("overview.html", view=overview_of(page.node, (), None))
    exports = await _newest_exports(page, page.number("before"))
    shown = exports[:_SHOWN_EXPORTS]
    older = shown[-1].row if len(exports) > _SHOWN_EXPORTS else None
    return page.html("overview.html", view=overview_of(page.node, shown, older))


async def timeline(page: PageVisit) -> web.Response:
    """What is held of a span; the last hour where none is asked for."""
    form = page.asked()
    if not form.value("from") and not form.value("to"):
        # Whole seconds, as the fields have them.
        to_us = -(-page.now_utc_us // US_PER_S) * US_PER_S
        span: tuple[int, int] | None = (to_us - _HOUR_US, to_us)
        faults = []
    else:
        reader = FormReader(form, page.zone)
        span = reader.times(MAX_TIMELINE_US)
        faults = reader.faults
    if span is None:
        return page.html("timeline.html", form=form.wrong(faults))
    laid = await page.service.looking.timeline(page.visit, *span)
    view = timeline_view(
        stretches_of(laid), page.cameras, span, page.zone, is_complete=laid.is_complete
    )
    # What follows is about every camera, unless somebody says which.
    form = with_values(form, camera=form.values("camera") or page.cameras)
    return page.html("timeline.html", view=view, form=in_fields(page, form, span))


async def moment(page: PageVisit) -> web.Response:
    """Previews of a short span."""
    form = page.asked()
    if not form.value("from"):
        return page.html("moment.html", form=form)
    reader = FormReader(form, page.zone)
    wish = reader.span(page.cameras)
    if wish is None:
        return page.html("moment.html", form=form.wrong(reader.faults))
    to_us = min(wish.to_utc_us, wish.from_utc_us + MAX_PREVIEW_US)
    alert_id = form.value("alert")
    sight = form.value("view") if form.value("view") in SIGHTS else SIGHTS[0]
    view = MomentView(
        from_utc_us=wish.from_utc_us,
        to_utc_us=to_us,
        shots=await shots_of(page, wish.cameras[:_MAX_SHOTS], wish.from_utc_us, to_us, sight),
        sight=sight,
        alert_picture=thumbnail_path(alert_id)
        if is_uuid7(alert_id) and page.may(Action.SEE_THUMBNAIL)
        else "",
        is_shortened=to_us < wish.to_utc_us or len(wish.cameras) > _MAX_SHOTS,
    )
    form = in_fields(page, form, (wish.from_utc_us, to_us))
    return page.html("moment.html", view=view, form=form)


async def hold_form(page: PageVisit) -> web.Response:
    """What to keep, and why."""
    form = with_id(page, in_fields(page, page.asked(), None))
    return page.html("hold.html", form=form)


async def hold(page: PageVisit) -> web.Response:
    """Keep it."""
    form = await page.posted()
    reader = FormReader(form, page.zone)
    wish = reader.hold(page.cameras)
    if wish is None or not is_uuid7(form.value("id")):
        return page.html("hold.html", form=with_id(page, form.wrong(reader.faults)))
    asked = HoldBody(
        hold_id=form.value("id"),
        cameras=wish.span.cameras,
        from_utc_us=wish.span.from_utc_us,
        to_utc_us=wish.span.to_utc_us,
        reason=wish.reason,
    )
    try:
        await page.service.looking.hold(page.visit, asked)
    except (RoehError, HttpProblem) as error:
        return page.html("hold.html", form=form, problem=error)
    from_us, to_us = wish.span.from_utc_us, wish.span.to_utc_us
    around = (from_us, min(to_us, from_us + MAX_TIMELINE_US))
    return page.go_to(f"{span_path('/timeline', around)}&done=hold_placed")


async def release_form(page: PageVisit) -> web.Response:
    """Which hold should end, and why."""
    return page.html("release.html", form=page.asked())


async def release(page: PageVisit) -> web.Response:
    """Ask for its end, or confirm it."""
    form = await page.posted()
    reader = FormReader(form, page.zone)
    wish = reader.release()
    if wish is None:
        return page.html("release.html", form=form.wrong(reader.faults))
    try:
        held = await page.service.looking.release(page.visit, wish.hold_id, wish.reason)
    except (RoehError, HttpProblem) as error:
        return page.html("release.html", form=form, problem=error)
    done = "released" if held.state == "released" else "release_asked"
    return page.go_to(f"/timeline?done={done}")


async def shots_of(
    page: PageVisit,
    cameras: Iterable[str],
    from_utc_us: int,
    to_utc_us: int,
    sight: str = "picture",
) -> tuple[Shot, ...]:
    """Each camera's picture and preview, from the first moment on that is recorded.

    `sight` is how a fisheye is looked at; other cameras show their picture.
    """
    if not page.may(Action.SEE_PREVIEW):
        return ()
    laid = await page.service.looking.timeline(page.visit, from_utc_us, to_utc_us)
    first_us = first_recorded(laid)
    shots: list[Shot] = []
    for name in cameras:
        if name not in first_us:
            shots.append(Shot(name))
            continue
        at_utc_us, recorded = first_us[name], still_path(name, first_us[name])
        seen = sight if page.service.looking.is_fisheye(name) else "picture"
        shots.append(
            Shot(
                name,
                still_path(name, at_utc_us, seen),
                preview_path(name, from_utc_us, to_utc_us, seen),
                at_utc_us,
                recorded=recorded if seen != "picture" else "",
            )
        )
    return tuple(shots)


def with_values(form: Form, **values: tuple[str, ...]) -> Form:
    """The same with other values."""
    return Form({**form.written, **values}, form.errors)


def in_fields(page: PageVisit, form: Form, span: tuple[int, int] | None) -> Form:
    """The span as its fields have it: the pole's time, whatever the address said."""
    if span is None:
        span = FormReader(form, page.zone).times()
    if span is None:
        return form
    times = Times(page.zone, page.words)
    # Fields have whole seconds: nothing of the span is lost to that.
    to_us = -(-span[1] // US_PER_S) * US_PER_S
    return with_values(form, **{"from": (times.field(span[0]),), "to": (times.field(to_us),)})


def with_id(page: PageVisit, form: Form) -> Form:
    """An id made with the form: the same form sent twice is one deed."""
    if is_uuid7(form.value("id")):
        return form
    return with_values(form, id=(ClockIds(page.service.clock).new(),))


async def _newest_exports(page: PageVisit, before: int | None) -> list[Export]:
    found: list[Export] = []
    after: int | None = -1
    for _ in range(_MAX_EXPORT_PAGES):
        if after is None or (before is not None and after >= before):
            break
        answer = await page.service.exporting.page(page.visit, after)
        found += answer.exports
        after = answer.after
    found.reverse()
    return [export for export in found if before is None or export.row < before]
