"""What exports ask of the rest of evidence."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from roeh.core.clock import Clock
from roeh.evidence.trust_lists import TrustLists
from roeh.evidence.visitors import Visitors
from roeh.ledger.database import NodeDatabase
from roeh.ledger.holds import Holds
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook


class ExportParts(msgspec.Struct, frozen=True):
    """The same for requests, approvals and what becomes of them.

    Attributes:
        cameras: of the configuration; others may have recorded before.
        age_us: of the node now: waiting is not judged by a clock that may be wrong.
        keep_us: so long a request waits for its approval and its builder.
    """

    site: str
    node: str
    cameras: frozenset[str]
    clock: Clock
    database: NodeDatabase
    log: Log
    holds: Holds
    names: NameBook
    trust: TrustLists
    visitors: Visitors
    age_us: Callable[[], int]
    keep_us: int
