"""A disk that is full, read only, or loses its power: nothing acknowledged is lost."""

import contextlib
import random
import shutil
import threading

import pytest

from roeh.core.clock import SystemClock
from roeh.core.delivery import LeaseOutbox, OutboxBatch, OutboxDelivered, OutboxKind
from roeh.core.errors import RoehError, StorageFailed, StorageFull
from roeh.core.paths import node_database
from roeh.core.peers import Done, Role, Verb
from roeh.evidence.main import run as run_evidence
from tests.alert_drafts import alert_draft
from tests.process.children import CLOCK, Evidence, node_config
from tests.process.small_disk import mount, small_disk, unmount
from tests.stores import AloneStore

THUMBNAIL = random.Random(3).randbytes(7000)


@pytest.fixture
def disk(as_root, short_directory):
    with small_disk(short_directory) as disk:
        yield disk


@pytest.fixture
def node(disk, short_directory):
    """The configuration of a node whose data lie on the small disk."""
    config = node_config(short_directory)
    data_dir = disk.point / "data"
    return config.__class__(
        **{
            **{name: getattr(config, name) for name in config.__struct_fields__},
            "paths": config.paths.__class__(data_dir=str(data_dir), run_dir=config.paths.run_dir),
        }
    )


@pytest.fixture
def evidence(node):
    evidence = Evidence(node)
    evidence.start()
    yield evidence
    evidence.close()


def store(evidence, acknowledged):
    draft = alert_draft(thumbnail=THUMBNAIL)
    acknowledged[draft.id] = evidence.store(draft, THUMBNAIL)


def store_until_refused(evidence, acknowledged):
    """The log has some room that is its own already, and may get some of it back."""
    while True:
        store(evidence, acknowledged)


def stored(path):
    """id → seq of every alert whose thumbnail is there too."""
    opened = AloneStore(path, CLOCK, outbox_max_bytes=1 << 26)
    try:
        items = opened.lease(limit=100_000, in_flight_rows=(), wait_s=0).items
    finally:
        opened.close()
    thumbnails = {item.seq for item in items if item.payload == THUMBNAIL}
    alerts = {item.alert_id: item.seq for item in items if item.kind is OutboxKind.ALERT}
    assert set(alerts.values()) == thumbnails
    return alerts


def test_a_full_disk_refuses_loses_nothing_and_recovers_without_a_restart(disk, evidence):
    acknowledged = {}
    pid = evidence.process.pid
    for _ in range(3):
        for _ in range(5):
            store(evidence, acknowledged)
        disk.fill()
        for _ in range(4):
            with pytest.raises(StorageFull, match="no room to make anything durable"):
                store_until_refused(evidence, acknowledged)
        status = evidence.status()
        assert "no room" in status.storage_state
        assert [report.state for report in status.reports] == ["degraded"]
        assert status.alerts_stored == len(acknowledged)
        leased = evidence.client(Role.PUBLISH).call(
            Verb.OUTBOX_LEASE, LeaseOutbox(2, (), 0.0), OutboxBatch
        )
        assert len(leased.items) == 2
        disk.free()
        store(evidence, acknowledged)
        assert evidence.status().storage_state == "ok"
    assert evidence.process.pid == pid
    counted_bytes = evidence.status().outbox_bytes
    assert evidence.stop() == 0
    evidence.start()
    # What was counted in memory was undone with each transaction that found no room.
    assert evidence.status().outbox_bytes == counted_bytes
    assert evidence.stop() == 0
    assert sorted(acknowledged.values()) == list(range(1, len(acknowledged) + 1))
    assert stored(node_database(evidence.config)) == acknowledged


def test_an_acknowledgement_that_finds_no_room_is_asked_again_later(disk, evidence):
    acknowledged = {}
    store(evidence, acknowledged)
    publish = evidence.client(Role.PUBLISH)
    items = publish.call(Verb.OUTBOX_LEASE, LeaseOutbox(2, (), 0.0), OutboxBatch).items
    delivered = OutboxDelivered(tuple(item.row for item in items))
    disk.fill()
    with pytest.raises(StorageFull):
        store_until_refused(evidence, acknowledged)
    rows = evidence.status().outbox_rows
    size_bytes = evidence.status().outbox_bytes
    with contextlib.suppress(StorageFull):
        publish.call(Verb.OUTBOX_DELIVERED, delivered, Done)
        rows, size_bytes = rows - 2, evidence.status().outbox_bytes
    assert (evidence.status().outbox_rows, evidence.status().outbox_bytes) == (rows, size_bytes)
    disk.free()
    publish.call(Verb.OUTBOX_DELIVERED, delivered, Done)
    left = publish.call(Verb.OUTBOX_LEASE, LeaseOutbox(128, (), 0.0), OutboxBatch).items
    assert not {item.row for item in left} & set(delivered.rows)


def outcome_of_starting(node):
    stop = threading.Event()
    stop.set()
    try:
        return run_evidence(node, SystemClock(), stop), ""
    except RoehError as error:
        return error.exit_status, error.line()


def test_a_node_started_on_a_full_disk_says_so(disk, node):
    disk.fill()
    status, line = outcome_of_starting(node)
    assert status == StorageFull.exit_status == 18
    assert line.startswith("roeh: STORAGE_FULL: no room to make anything durable: ")
    disk.free()
    assert outcome_of_starting(node) == (0, "")


def test_a_node_with_a_store_starts_on_a_full_disk_and_sends_what_waits(disk, evidence):
    acknowledged = {}
    store(evidence, acknowledged)
    evidence.kill()
    disk.fill()
    evidence.start()
    leased = evidence.client(Role.PUBLISH).call(
        Verb.OUTBOX_LEASE, LeaseOutbox(9, (), 0.0), OutboxBatch
    )
    assert {item.alert_id for item in leased.items} == set(acknowledged)


def test_a_disk_that_turned_read_only_refuses_and_recovers(disk, evidence):
    acknowledged = {}
    store(evidence, acknowledged)
    # The kernel refuses to remount while a file is open for writing, unless the disk erred.
    evidence.kill()
    disk.remount("ro")
    status, line = outcome_of_starting(evidence.config)
    assert status == StorageFailed.exit_status
    assert "cannot write there" in line
    disk.remount("rw")
    evidence.start()
    store(evidence, acknowledged)
    evidence.stop()
    assert stored(node_database(evidence.config)) == acknowledged


def test_what_was_acknowledged_survives_a_power_cut(disk, evidence, short_directory):
    acknowledged = {}
    for cut in range(4):
        for _ in range(3):
            store(evidence, acknowledged)
        # What the disk holds now, without what the kernel still keeps in memory.
        image, point = short_directory / f"cut-{cut}.img", short_directory / f"cut-{cut}"
        shutil.copyfile(disk.image, image)
        mount(image, point)
        try:
            assert stored(point / "data" / "node.db") == acknowledged
        finally:
            unmount(point)
