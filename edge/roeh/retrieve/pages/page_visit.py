"""One request for a page: who asks, in which language, and how it is answered."""

from __future__ import annotations

import asyncio
import re
import urllib.parse
import zoneinfo
from collections.abc import Awaitable, Callable

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

import roeh
from roeh.access.roles import survives_stale
from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.errors import RoehError
from roeh.core.retrieval import Action
from roeh.retrieve.api.answers import NodeAnswer
from roeh.retrieve.api.application import BODY_S, read_body
from roeh.retrieve.door.problems import HttpProblem, malformed, response_of
from roeh.retrieve.pages.forms import FieldFault, Form
from roeh.retrieve.pages.language import (
    LANGUAGE_COOKIE,
    SCHEME_COOKIE,
    language_of,
    scheme_of,
)
from roeh.retrieve.pages.presenting import banners_of
from roeh.retrieve.pages.templates import rendered
from roeh.retrieve.pages.views import NOTICES, Banner, Frame, Problem
from roeh.retrieve.pages.wording import Words
from roeh.retrieve.visits.service import Service
from roeh.retrieve.visits.visit import VISIT, Visit

MAX_FORM_BYTES = 16 * 1024
_MAX_FIELDS = 400
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
#: What will go if it is asked again: too many requests, and somebody else's turn.
_BUSY = (429, 503)
_COOKIE_S = 365 * 24 * 3600

PageHandler = Callable[["PageVisit"], Awaitable[web.Response]]


class PageVisit:
    """What the handlers of the pages are given; `node` is there once they are called."""

    def __init__(self, service: Service, request: web.Request) -> None:
        self.service = service
        self.request = request
        self.visit: Visit = request[VISIT]
        self.zone = zoneinfo.ZoneInfo(service.config.node.time_zone)
        query, cookies = request.query, request.cookies
        self.language = language_of(
            query.get("lang", ""),
            cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("Accept-Language", ""),
        )
        self.scheme = scheme_of(query.get("scheme", ""), cookies.get(SCHEME_COOKIE, ""))
        self.words = Words(self.language)
        self._node: NodeAnswer | None = None

    @property
    def node(self) -> NodeAnswer:
        """This pole, and who asks."""
        assert self._node is not None, "handlers run after evidence said who asks"
        return self._node

    async def begin(self) -> None:
        """Have evidence say who asks.

        Raises:
            RoehError: they are not believed, or evidence does not answer.
        """
        self._node = await self.service.auditing.node(self.visit)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Of this pole."""
        return self.service.looking.cameras

    @property
    def now_utc_us(self) -> int:
        """By the pole's clock."""
        return self.service.clock.read().t_utc_ns // NS_PER_US

    @property
    def is_trust_stale(self) -> bool:
        """Whether nothing may be looked at or approved until there is a newer list."""
        return self._node is not None and self._node.trust.is_stale

    def may(self, action: Action) -> bool:
        """Whether their role may do it, and the trust list is fresh enough for it."""
        return action in self.node.may and (survives_stale(action) or not self.is_trust_stale)

    def asked(self) -> Form:
        """What stands in the address."""
        return _form(list(self.request.query.items()))

    def number(self, name: str) -> int | None:
        """A row or leaf that stands in the address; None: there is none."""
        text = self.request.query.get(name, "")
        return int(text) if _NUMBER.fullmatch(text) else None

    async def posted(self) -> Form:
        """What a form without files sends.

        Raises:
            HttpProblem: it is not a form, or too long a one.
        """
        if self.request.content_type != "application/x-www-form-urlencoded":
            raise malformed("is not a form", "the body")
        raw = await read_body(self.request, MAX_FORM_BYTES)
        try:
            fields = urllib.parse.parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
            )
        except (ValueError, UnicodeError) as error:
            raise malformed("cannot be read", "the form") from error
        return _form(fields)

    async def uploaded(self, field: str, at_most_bytes: int) -> bytes | FieldFault:
        """The file of a form that has one field.

        Raises:
            HttpProblem: it is not such a form.
        """
        if self.request.content_type != "multipart/form-data":
            raise malformed("is not a form with a file", "the body")
        length = self.request.content_length
        if length is None or length > at_most_bytes + MAX_FORM_BYTES:
            return FieldFault(field, "big_file")
        try:
            content = await asyncio.wait_for(self._part(field, at_most_bytes), BODY_S)
        except (ValueError, RuntimeError, HttpProcessingError) as error:
            raise malformed("cannot be read", "the form") from error
        if len(content) > at_most_bytes:
            return FieldFault(field, "big_file")
        return content or FieldFault(field, "no_file")

    async def _part(self, field: str, at_most_bytes: int) -> bytes:
        content = bytearray()
        reader = await self.request.multipart()
        part = await reader.next()
        # Forms of these pages have one field, without parts inside it.
        if not isinstance(part, BodyPartReader) or part.name != field:
            return b""
        while len(content) <= at_most_bytes and (piece := await part.read_chunk()):
            content += piece
        return bytes(content)

    def html(
        self,
        template: str,
        *,
        view: object = None,
        form: Form | None = None,
        problem: RoehError | HttpProblem | None = None,
    ) -> web.Response:
        """A page; with a problem the status is the problem's."""
        body = rendered(
            template,
            self._frame(problem),
            self.zone,
            view=view,
            form=form,
            cameras=self.cameras,
        )
        response = web.Response(text=body, content_type="text/html")
        if problem is not None:
            told = response_of(problem)
            response.set_status(told.status)
            for name in ("Retry-After", "Allow"):
                if name in told.headers:
                    response.headers[name] = told.headers[name]
        self._keep_choices(response)
        return response

    def go_to(self, path: str) -> web.Response:
        """The page that follows what was done."""
        return web.Response(status=303, headers={"Location": path})

    def _frame(self, problem: RoehError | HttpProblem | None) -> Frame:
        now = self.service.clock.read()
        node = self._node
        done = self.request.query.get("done", "")
        banners = () if node is None else banners_of(node)
        if node is None and isinstance(problem, RoehError) and problem.code == "PEER_GONE":
            banners = (Banner("evidence_silent", "bad"),)
        return Frame(
            site=self.service.config.node.site,
            node=self.service.config.node.name,
            software=roeh.__version__,
            language=self.language,
            scheme=self.scheme,
            path=self.request.path if self.request.method == "GET" else _form_page(self.request),
            query=tuple(self.request.query.items()),
            now_utc_us=now.t_utc_ns // NS_PER_S * (NS_PER_S // NS_PER_US),
            clock_error_us=now.utc_error_ns // NS_PER_US,
            is_synchronised=now.synchronised,
            person=None if node is None else node.person,
            may=frozenset() if node is None else frozenset(node.may),
            is_trust_stale=self.is_trust_stale,
            has_fisheye=any(map(self.service.looking.is_fisheye, self.cameras)),
            banners=banners,
            notice=done if done in NOTICES and problem is None else "",
            problem=None if problem is None else _problem(problem, self.words),
        )

    def _keep_choices(self, response: web.Response) -> None:
        for name, cookie, value in (
            ("lang", LANGUAGE_COOKIE, self.language),
            ("scheme", SCHEME_COOKIE, self.scheme),
        ):
            if name in self.request.query:
                response.set_cookie(
                    cookie,
                    value,
                    max_age=_COOKIE_S,
                    path="/",
                    secure=True,
                    httponly=True,
                    samesite="Strict",
                )


def served(
    service: Service, handler: PageHandler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler of aiohttp: what is refused becomes a page in the visitor's language."""

    async def handle(request: web.Request) -> web.StreamResponse:
        page = PageVisit(service, request)
        try:
            await page.begin()
            return await handler(page)
        except (RoehError, HttpProblem) as error:
            return page.html("error.html", problem=error)

    return handle


def _form(fields: list[tuple[str, str]]) -> Form:
    written: dict[str, tuple[str, ...]] = {}
    for name, value in fields:
        written[name] = (*written.get(name, ()), value)
    return Form(written)


def _form_page(request: web.Request) -> str:
    """The page that holds the form which was sent: another language is asked for by GET."""
    return request.path.removesuffix("/approval")


def _problem(problem: RoehError | HttpProblem, words: Words) -> Problem:
    if isinstance(problem, RoehError):
        code, word, line = problem.code, problem.what, str(problem)
    else:
        said = problem.problem
        code, word = said.code, said.what
        line = f"{said.what}: {said.which}; {said.remedy}"
    key = "busy" if response_of(problem).status in _BUSY and code != "PEER_GONE" else code
    return Problem(key if words.has(f"error.{key}") else "UNEXPECTED", code, word, line)
