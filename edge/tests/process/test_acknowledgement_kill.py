"""Killed at any moment while the desk's word is taken: told again, it comes to the same."""

import contextlib
import os
import random
import resource
import signal
import sqlite3
import threading

from roeh.core.clock import SystemClock
from roeh.core.delivery import AcknowledgeOutbox, LeaseOutbox, OutboxAcknowledged, OutboxBatch
from roeh.core.errors import PeerGone
from roeh.core.paths import node_database
from roeh.core.peers import Role, Verb
from roeh.ledger.acknowledged import Receipt
from tests.alert_drafts import alert_draft
from tests.delivering_nodes import AckingDesk
from tests.process.children import (
    CLOCK,
    CONTEXT,
    PATIENCE_S,
    node_config,
    running_evidence,
    start,
)
from tests.stores import AloneStore

OUTBOX_BYTES = 1 << 26
THUMBNAIL = bytes(range(250)) * 28


def receipts(items):
    return tuple(Receipt(item.kind, item.alert_id, item.payload_sha256) for item in items)


def acknowledge_with_a_limit(path, limit_bytes, said, answered):
    """The kernel ends the process where a file would grow beyond the limit."""
    store = AloneStore(path, SystemClock(), outbox_max_bytes=OUTBOX_BYTES)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    answered.value = len(store.acknowledge(said).rows)
    os._exit(0)


def test_killed_at_any_byte_it_writes_the_desks_word_is_taken_whole_or_not_at_all(
    memory_directory,
):
    path = memory_directory / "node.db"
    store = AloneStore(path, CLOCK, outbox_max_bytes=OUTBOX_BYTES)
    for _ in range(5):
        store.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
    items = store.lease(limit=100, in_flight_rows=(), wait_s=0).items
    store.close()
    limit_bytes, killed = 1, 0
    while True:
        answered = CONTEXT.Value("q", 0)
        process = start(acknowledge_with_a_limit, path, limit_bytes, receipts(items), answered)
        process.join(PATIENCE_S)
        store = AloneStore(path, CLOCK, outbox_max_bytes=OUTBOX_BYTES)
        left = store.lease(limit=100, in_flight_rows=(), wait_s=0).items
        store.close()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGXFSZ
        assert answered.value == 0
        assert left in (items, ())
        killed += 1
        limit_bytes += 1900  # less than half a page of the log
    assert (answered.value, left) == (len(items), ())
    assert killed > 4


def test_killed_between_the_desks_word_and_the_answer_nothing_is_lost_or_stuck(short_directory):
    chance = random.Random(3)
    keys_file = short_directory / "desk.keys"
    node = node_config(short_directory).node
    desk = AckingDesk(addressee=f"{node.site}/{node.name}")
    keys_file.write_text(desk.line)
    committed, answered = set(), set()
    with running_evidence(short_directory, f'[desk]\nkeys_file = "{keys_file}"\n') as evidence:
        for _ in range(5):
            for _ in range(4):
                evidence.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
            items = leased(evidence)
            committed |= {item.row for item in items}
            statement = desk.acknowledge(items)
            killer = threading.Timer(chance.uniform(0.0, 0.006), evidence.process.kill)
            killer.start()
            with contextlib.suppress(PeerGone):
                answered |= set(acknowledged(evidence, statement))
            killer.join()
            evidence.process.join(PATIENCE_S)
            evidence.start()
            # publish hands on what the desk says again.
            assert set(acknowledged(evidence, statement)) == {item.row for item in items}
        assert leased(evidence) == ()
        assert evidence.stop() == 0
    assert answered <= committed
    database = sqlite3.connect(node_database(evidence.config))
    kept = database.execute("SELECT count(*) FROM history").fetchone()
    database.close()
    assert kept == (20,)


def leased(evidence):
    return (
        evidence.client(Role.PUBLISH)
        .call(Verb.OUTBOX_LEASE, LeaseOutbox(100, (), 0.0), OutboxBatch)
        .items
    )


def acknowledged(evidence, statement):
    return (
        evidence.client(Role.PUBLISH)
        .call(Verb.OUTBOX_ACKNOWLEDGE, AcknowledgeOutbox(statement), OutboxAcknowledged)
        .rows
    )
