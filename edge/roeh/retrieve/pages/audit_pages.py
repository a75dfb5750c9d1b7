"""Pages for who watches over it: the custody log and the trust list."""

from __future__ import annotations

from aiohttp import web

from roeh.core.errors import RoehError
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.retrieve.door.problems import HttpProblem
from roeh.retrieve.pages.forms import FieldFault, Form
from roeh.retrieve.pages.page_visit import PageVisit
from roeh.retrieve.pages.presenting import steps_of
from roeh.retrieve.pages.views import CustodyView, TrustView
from roeh.retrieve.visits.auditing import NEWEST, WANTED_RECORDS


async def custody(page: PageVisit) -> web.Response:
    """A page of the log, the newest first."""
    asked = page.number("before")
    before = NEWEST if asked is None else asked
    answer = await page.service.auditing.custody(page.visit, before=before)
    steps = steps_of(answer)
    view = CustodyView(
        steps=tuple(reversed(steps)),
        names=answer.names,
        older_before=steps[0].leaf if len(answer.records) >= WANTED_RECORDS else None,
        is_newest=before == NEWEST,
    )
    return page.html("custody.html", view=view)


async def trust(page: PageVisit) -> web.Response:
    """The trust list in force."""
    return _trust_page(page, Form())


async def offer_trust(page: PageVisit) -> web.Response:
    """Take another one."""
    signed = await page.uploaded("trust_file", MAX_SIGNED_BYTES)
    if isinstance(signed, FieldFault):
        return _trust_page(page, Form(errors=(signed,)))
    try:
        await page.service.auditing.offer_trust_list(page.visit, signed)
    except (RoehError, HttpProblem) as error:
        return _trust_page(page, Form(), problem=error)
    return page.go_to("/trust?done=trust")


def _trust_page(
    page: PageVisit, form: Form, *, problem: RoehError | HttpProblem | None = None
) -> web.Response:
    held = page.node.trust
    view = TrustView(version=held.version, issued_utc_us=held.issued_utc_us, age_us=held.age_us)
    return page.html("trust.html", view=view, form=form, problem=problem)
