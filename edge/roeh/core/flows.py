"""The queue table: every hand-over between a pole's processes, its bound, what happens when full.

No queue exists on a pole that is not a row here. What the desk keeps waiting stands in its
database (edge/design/desk.md, "What waits").
"""

from __future__ import annotations

import enum

import msgspec


class WhenFull(enum.Enum):
    """What gives way when a bound is reached."""

    SKIP_NEWEST = "the new item is not offered; counted"
    BLOCK_PRODUCER = "the producer waits: it works slower, nothing is lost"
    DROP_OLDEST = "the oldest group of pictures is dropped; a signed gap says so"
    DROP_NEWEST = "the new item is dropped; counted; who is owed an answer says it again"
    FORGET_OLDEST = "the oldest is not sent; counted; the command, repeated, is answered again"
    FAIL = "the order has failed; counted; the answer and the ledger say so"
    EVICT_BY_RULE = (
        "oldest thumbnails first, then merged updates, then lowest priority; "
        "each eviction leaves a tombstone and is counted"
    )


class Flow(msgspec.Struct, frozen=True):
    """One hand-over between two processes.

    Attributes:
        bound: how much it holds, in `unit`.
        counter: name of the counter that grows when the bound bites.
    """

    producer: str
    consumer: str
    carries: str
    bound: int
    unit: str
    when_full: WhenFull
    counter: str


FRAMES = Flow(
    producer="capture",
    consumer="detect",
    carries="frames, in sealed shared-memory slots",
    bound=4,
    unit="slots",
    when_full=WhenFull.SKIP_NEWEST,
    counter="frames_not_offered",
)
ACCESS_UNITS = Flow(
    producer="capture",
    consumer="evidence",
    carries="groups of pictures of one camera, acknowledged when their bytes are on the disk",
    bound=64 * 1024 * 1024,
    unit="bytes",
    when_full=WhenFull.DROP_OLDEST,
    counter="gops_dropped",
)
ALERTS = Flow(
    producer="detect",
    consumer="evidence",
    carries="alerts with their thumbnails, acknowledged after commit",
    bound=64,
    unit="alerts",
    when_full=WhenFull.BLOCK_PRODUCER,
    counter="detect_blocked_s",
)
OUTBOX = Flow(
    producer="evidence",
    consumer="publish",
    carries="alert messages and thumbnails on disk",
    bound=64 * 1024 * 1024,
    unit="bytes",
    when_full=WhenFull.EVICT_BY_RULE,
    counter="outbox_evicted",
)
IN_FLIGHT = Flow(
    producer="publish",
    consumer="broker",
    carries="messages sent and not yet acknowledged, in memory only",
    bound=20,
    unit="messages",
    when_full=WhenFull.BLOCK_PRODUCER,
    counter="publish_window_full",
)

STATEMENTS = Flow(
    producer="broker",
    consumer="publish",
    carries="signed statements, each handed to evidence, which alone verifies it",
    bound=92,
    unit="statements at once",
    when_full=WhenFull.DROP_NEWEST,
    counter="down_dropped",
)
ORDERS = Flow(
    producer="evidence",
    consumer="each process",
    carries="orders of the control room that were verified, on disk",
    bound=60,
    unit="seconds",
    when_full=WhenFull.FAIL,
    counter="orders_unanswered",
)
ANSWERS = Flow(
    producer="evidence",
    consumer="publish",
    carries="answers to commands, on disk, signed when they are fetched",
    bound=1_000,
    unit="answers",
    when_full=WhenFull.FORGET_OLDEST,
    counter="answers_dropped",
)

#: How much of what left the outbox is kept for a desk that asks again; oldest go first.
OUTBOX_HISTORY_BYTES = 256 * 1024 * 1024

FLOWS: tuple[Flow, ...] = (
    FRAMES,
    ACCESS_UNITS,
    ALERTS,
    OUTBOX,
    IN_FLIGHT,
    STATEMENTS,
    ORDERS,
    ANSWERS,
)
