"""What goes wrong, as one JSON form: the words of the error, and a status of HTTP."""

from __future__ import annotations

import msgspec
from aiohttp import web

from roeh.core.errors import RoehError, one_line

#: What is not in here is 500: nobody expected it.
_STATUS = {
    "ACCESS_REFUSED": 403,
    "MESSAGE_REFUSED": 400,
    "KEY_REFUSED": 400,
    "EVIDENCE_REFUSED": 404,
    "HOLD_REFUSED": 409,
    "EXPORT_FAILED": 409,
    "RENDER_FAILED": 422,
    "PEER_GONE": 503,
    "PEER_REFUSED": 502,
    "STORAGE_FULL": 507,
    "STORAGE_FAILED": 503,
    "STORAGE_DAMAGED": 503,
}


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer that is not what was asked for."""

    code: str
    what: str
    which: str
    remedy: str


class HttpProblem(Exception):
    """A refusal of HTTP's own: a status, and the words."""

    def __init__(
        self,
        status: int,
        *,
        code: str,
        what: str,
        which: str,
        remedy: str,
        headers: tuple[tuple[str, str], ...] = (),
        closes: bool = False,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.problem = Problem(code, what, which, remedy)
        self.headers = headers
        self.closes = closes


def problem_response(status: int, problem: Problem) -> web.Response:
    """As it is sent."""
    body = msgspec.json.encode(problem)
    return web.Response(body=body, status=status, content_type="application/json")


def response_of(error: RoehError | HttpProblem) -> web.Response:
    """The answer to a request that failed so."""
    if isinstance(error, RoehError):
        words = (one_line(text) for text in (error.what, error.which, error.remedy))
        return problem_response(_STATUS.get(error.code, 500), Problem(error.code, *words))
    response = problem_response(error.status, error.problem)
    response.headers.extend(error.headers)
    if error.closes:
        response.force_close()
    return response


def not_there(which: str) -> HttpProblem:
    """Nothing has this name, or nothing that this person may know of."""
    return HttpProblem(
        404,
        code="EVIDENCE_REFUSED",
        what="there is none",
        which=which,
        remedy="take an address from the pole's own lists",
    )


def malformed(what: str, which: str) -> HttpProblem:
    """A request that cannot be meant."""
    return HttpProblem(
        400,
        code="MESSAGE_REFUSED",
        what=what,
        which=which,
        remedy="ask as /api/v1/openapi.json says",
    )
