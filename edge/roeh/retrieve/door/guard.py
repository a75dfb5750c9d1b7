"""What stands round every request: its head, its budget, where it comes from, what goes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from multidict import CIMultiDictProxy

from roeh.core.clock import Clock
from roeh.core.errors import RoehError
from roeh.core.log import log_for
from roeh.core.retrieval import Visitor
from roeh.retrieve.door.doors import MinuteBudget
from roeh.retrieve.door.problems import (
    HttpProblem,
    Problem,
    malformed,
    not_there,
    problem_response,
    response_of,
)
from roeh.retrieve.door.tls import claimed_number
from roeh.retrieve.visits.visit import VISIT, Visit

MAX_HEAD_BYTES = 16 * 1024

#: Of every answer, whatever it is.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer a browser would send `Origin: null` with the pole's own forms.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Strict-Transport-Security": "max-age=31536000",
    # Which library serves is nobody's business.
    "Server": "roeh",
}

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.%]{2,64}\])(?::[0-9]{1,5})?")
#: Headers that must not come twice: two readers could take different ones.
_SINGLE = ("Host", "Origin", "Content-Length", "Content-Type", "Transfer-Encoding", "Range")
_SAFE_METHODS = ("GET", "HEAD")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = log_for("retrieve.http")


async def add_headers(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Before each answer is sent."""
    response.headers.update(HEADERS)


class Guard:
    """The outermost middleware, and what it counts."""

    def __init__(self, clock: Clock, requests_per_minute: int) -> None:
        self._clock = clock
        self._budget = MinuteBudget(requests_per_minute)
        self.requests = 0
        self.refused = 0

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """For web.Application."""

        @web.middleware
        async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
            response = await self._answer(request, handler)
            self.requests += 1
            self.refused += response.status in (403, 429)
            return response

        return guarded

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            visit = _visit(request)
            _check_budget(self._budget, visit.number, self._clock)
            _check_head(request)
            request[VISIT] = visit
            return await handler(request)
        except (RoehError, HttpProblem) as error:
            return response_of(error)
        except web.HTTPException as error:
            return response_of(_http_problem(request, error))
        except asyncio.TimeoutError:
            return response_of(_too_slow(request))
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, nobody outside may see a traceback
            _log.exception("%s cannot be answered", request.method)
            return problem_response(500, _UNEXPECTED)


_UNEXPECTED = Problem(
    code="UNEXPECTED",
    what="the pole could not answer this",
    which="its journal says why",
    remedy="try again; tell the technician when it lasts",
)


def _visit(request: web.Request) -> Visit:
    """Who asks, as TLS proved it."""
    tls = request.get_extra_info("ssl_object")
    certificate_der = None if tls is None else tls.getpeercert(binary_form=True)
    if not certificate_der:
        raise HttpProblem(
            403,
            code="ACCESS_REFUSED",
            what="no certificate was shown",
            which="this connection",
            remedy="connect with a certificate of the police or staff CA",
            closes=True,
        )
    return Visit(Visitor(certificate_der), claimed_number(certificate_der))


def _check_budget(budget: MinuteBudget, number: str, clock: Clock) -> None:
    wait_s = budget.take(number, clock.mono_ns())
    if wait_s:
        raise HttpProblem(
            429,
            code="ACCESS_REFUSED",
            what="too many requests a minute",
            which="this person",
            remedy=f"wait {wait_s} s, or let the pole's operator raise access.requests_per_minute",
            headers=(("Retry-After", str(wait_s)),),
        )


def _check_head(request: web.Request) -> None:
    headers = request.headers
    size_bytes = len(request.raw_path) + sum(len(n) + len(v) + 4 for n, v in request.raw_headers)
    if size_bytes > MAX_HEAD_BYTES:
        raise HttpProblem(
            431,
            code="MESSAGE_REFUSED",
            what="the head of the request is too long",
            which=f"{size_bytes} bytes",
            remedy=f"send at most {MAX_HEAD_BYTES}",
            closes=True,
        )
    for name in _SINGLE:
        if len(headers.getall(name, ())) > 1:
            raise _bad_head("is there more than once", f"header {name}")
    if "Content-Length" in headers and "Transfer-Encoding" in headers:
        raise _bad_head("stand beside each other", "Content-Length and Transfer-Encoding")
    if "Content-Encoding" in headers or "Upgrade" in headers:
        raise _bad_head("is not taken here", "Content-Encoding or Upgrade")
    # Any name by which the pole is reached: TLS has checked it, as the browser saw it.
    if not _HOST.fullmatch(headers.get("Host", "")):
        raise _bad_head("names no host", "header Host")
    if not request.raw_path.startswith("/") or "#" in request.raw_path:
        raise _bad_head("is no path of this pole", "the request's target")
    _check_origin(headers, is_safe=request.method in _SAFE_METHODS)


def _bad_head(what: str, which: str) -> HttpProblem:
    """Where two readers may disagree what a request is, nothing else comes over it."""
    problem = malformed(what, which)
    problem.closes = True
    return problem


def _check_origin(headers: CIMultiDictProxy[str], *, is_safe: bool) -> None:
    """A certificate goes along by itself: a page elsewhere must not use it.

    Browsers say where a request comes from, and cannot be made not to; other clients do not.
    A link from elsewhere is followed; a picture shown elsewhere would be a look on record.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    is_own_origin = origin is None or origin == f"https://{headers['Host']}"
    if is_own_origin and site in (None, "same-origin"):
        return
    if is_safe and (site == "none" or headers.get("Sec-Fetch-Dest") == "document"):
        return
    raise HttpProblem(
        403,
        code="ACCESS_REFUSED",
        what="was sent by a page of another site",
        which=f"origin {(origin or 'unknown')[:100]!r}",
        remedy="use the pole's own pages",
    )


def _http_problem(request: web.Request, error: web.HTTPException) -> HttpProblem:
    if error.status == 404:
        return not_there("this address")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return HttpProblem(
            405,
            code="MESSAGE_REFUSED",
            what="this cannot be done here",
            which=request.method[:20],
            remedy="ask as /api/v1/openapi.json says",
            headers=(("Allow", ", ".join(sorted(error.allowed_methods))),),
        )
    if error.status == 413:
        return HttpProblem(
            413,
            code="MESSAGE_REFUSED",
            what="the body is too long",
            which="this request",
            remedy="see the limits of this address in /api/v1/openapi.json",
            closes=True,
        )
    return HttpProblem(
        error.status,
        code="MESSAGE_REFUSED",
        what=error.reason,
        which="this request",
        remedy="ask as /api/v1/openapi.json says",
    )


def _too_slow(request: web.Request) -> HttpProblem:
    return HttpProblem(
        408,
        code="MESSAGE_REFUSED",
        what="took too long to arrive",
        which=f"the body of this {request.method}",
        remedy="send it again over a better link",
        closes=True,
    )
