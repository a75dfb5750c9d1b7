"""One visit: who asks, as TLS proved it. What they may, evidence says with each request."""

from __future__ import annotations

import msgspec
from aiohttp import web

from roeh.core.retrieval import Visitor


class Visit(msgspec.Struct, frozen=True):
    """The certificate of a connection.

    Attributes:
        visitor: what is handed to evidence.
        number: whose the certificate says it is, to count by and not to judge by.
    """

    visitor: Visitor
    number: str


#: Where a request holds it.
VISIT: web.RequestKey[Visit] = web.RequestKey("visit", Visit)
