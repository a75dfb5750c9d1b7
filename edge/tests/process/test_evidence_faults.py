"""Real disks that are full, dead or gone: what evidence does with video then."""

import random
from pathlib import Path

import msgspec
import pytest

from roeh.core.custody import HoldState, PlaceHold, Span
from roeh.core.delivery import LeaseOutbox, OutboxBatch
from roeh.core.errors import PeerGone, StorageFailed, StorageFull
from roeh.core.paths import segments_dir
from roeh.core.peers import Role, Verb
from tests.alert_drafts import alert_draft
from tests.gops import GopSource
from tests.process.children import PATIENCE_S, Evidence, node_config
from tests.process.small_disk import small_disk
from tests.process.test_recording import record, records, store_gop, unlike_their_records
from tests.waiting import wait_until

THUMBNAIL = random.Random(6).randbytes(7000)
MORE = """
[evidence]
segment_s = 2.0
min_free_bytes = 0
"""


def noisy_source(noise=90):
    """Groups of some 200 kB."""
    return GopSource("sensor", width_px=480, height_px=320, noise=noise)


def on_disk(config, data_dir):
    paths = msgspec.structs.replace(config.paths, data_dir=str(data_dir))
    return msgspec.structs.replace(config, paths=paths)


@pytest.fixture
def disk(as_root, short_directory):
    with small_disk(short_directory) as disk:
        yield disk


@pytest.fixture
def evidence(disk, short_directory):
    """All that evidence has lies on the small disk."""
    evidence = Evidence(on_disk(node_config(short_directory, MORE), disk.point / "data"))
    evidence.start()
    yield evidence
    evidence.close()


@pytest.fixture
def video_disk(as_root, short_directory):
    point = Path(node_config(short_directory).paths.data_dir) / "segments"
    with small_disk(short_directory, point) as disk:
        yield disk


@pytest.fixture
def evidence_beside(video_disk, short_directory):
    """Only the video lies on the small disk."""
    evidence = Evidence(node_config(short_directory, MORE))
    evidence.start()
    yield evidence
    evidence.close()


def hold(evidence, source):
    """A person keeps all that was recorded so far."""
    span = Span("sensor", source.boot_id, 0, source.mono_us)
    request = PlaceHold("01a205ca-b784-7000-8098-c287c4faf2a5", "anna", "a theft", (span,))
    evidence.client(Role.CUSTODY).call(Verb.HOLD_PLACE, request, HoldState)


def test_a_disk_that_fills_up_loses_its_oldest_segments_by_record(evidence):
    source = noisy_source()
    pid = evidence.process.pid
    record(evidence, source, 90)
    assert evidence.process.pid == pid
    assert evidence.status().alarms == ()
    assert evidence.stop() == 0
    segments = records(evidence.config, "segment")
    pruned = records(evidence.config, "prune")
    assert {one.reason for one in pruned} == {"disk_full"}
    # The oldest, and each only after its record.
    assert [one.row for one in pruned] == [one.row for one in segments][: len(pruned)]
    there = sorted(path.name for path in segments_dir(evidence.config).glob("*/*"))
    assert there == [Path(one.path).name for one in segments[len(pruned) :]]
    assert sum(len(one.fragments) for one in segments) == 90
    assert records(evidence.config, "gap") == []


def first_refused(evidence, source):
    """The first group that finds no room; some may find the reserve's."""
    while True:
        gop = source.next()
        try:
            store_gop(evidence, gop)
        except StorageFull:
            return gop


def test_a_full_disk_refuses_video_and_says_afterwards_what_is_missing(disk, evidence):
    source = noisy_source()
    record(evidence, source, 3)
    hold(evidence, source)  # else the oldest would go
    pid = evidence.process.pid
    disk.fill()
    refused = first_refused(evidence, source)
    for _ in range(2):
        with pytest.raises(StorageFull):
            store_gop(evidence, refused)
    assert any("sensor is not recorded" in alarm for alarm in evidence.status().alarms)
    assert evidence.status().reports[0].state == "degraded"
    disk.free()
    source.take(4)  # capture's ring is full
    record(evidence, source, 1)
    # What failed beside it says so until it is tried again.
    wait_until(lambda: evidence.status().alarms == (), timeout_s=75.0)
    assert evidence.process.pid == pid
    assert evidence.stop() == 0
    assert "storage_full" in [one.end_reason for one in records(evidence.config, "segment")]
    (gap,) = records(evidence.config, "gap")
    assert (gap.reason, gap.from_mono_us) == ("storage_full", refused.t_first_mono_us)
    assert {one.what for one in records(evidence.config, "fault")} == {"disk_full"}
    assert unlike_their_records(evidence.config) == []


def test_an_alert_finds_room_by_the_oldest_video(disk, evidence):
    source = noisy_source()
    record(evidence, source, 20)
    disk.fill()
    for _ in range(50):
        evidence.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
    assert evidence.status().alerts_stored == 50
    evidence.stop()
    assert records(evidence.config, "prune")


def test_a_start_on_a_full_disk_sends_what_waits_and_records_when_there_is_room(disk, evidence):
    source = noisy_source()
    record(evidence, source, 2)
    evidence.store(alert_draft())
    evidence.kill()
    disk.fill()
    evidence.start()
    leased = evidence.client(Role.PUBLISH).call(
        Verb.OUTBOX_LEASE, LeaseOutbox(9, (), 0.0), OutboxBatch
    )
    assert len(leased.items) == 1
    waiting = source.next()
    with pytest.raises(StorageFull):
        store_gop(evidence, waiting)
    disk.free()
    assert store_gop(evidence, waiting).fragment == 0
    assert evidence.stop() == 0
    assert [one.was_clean for one in records(evidence.config, "boot")] == [True, False]


def test_a_dead_disk_ends_evidence_and_what_was_acknowledged_is_there_afterwards(disk, evidence):
    source = noisy_source()
    record(evidence, source, 7)
    disk.die()
    with pytest.raises((StorageFailed, PeerGone)):
        record(evidence, source, 1)
    evidence.process.join(PATIENCE_S)
    assert evidence.process.exitcode == StorageFailed.exit_status
    disk.come_back()
    evidence.start()
    record(evidence, source, 1)
    assert evidence.stop() == 0
    segments = records(evidence.config, "segment")
    assert sum(len(one.fragments) for one in segments) >= 8
    assert unlike_their_records(evidence.config) == []
    assert records(evidence.config, "tamper") == []


def test_a_dead_disk_of_the_video_alone_costs_no_alert(video_disk, evidence_beside):
    evidence, source = evidence_beside, noisy_source()
    record(evidence, source, 3)
    video_disk.die()
    for _ in range(2):
        with pytest.raises(StorageFailed):
            record(evidence, source, 1)
    assert evidence.store(alert_draft()) == 1
    assert any("sensor is not recorded" in alarm for alarm in evidence.status().alarms)
    assert evidence.stop() == 0
    video_disk.come_back()
    evidence.start()
    record(evidence, source, 1)
    assert evidence.stop() == 0
    assert [one.end_reason for one in records(evidence.config, "segment")] == [
        "sync_failed",
        "stopped",
    ]
    assert [one.reason for one in records(evidence.config, "gap")] == ["sync_failed"]
    assert [one.what for one in records(evidence.config, "fault")] == ["sync_failed"]
    assert unlike_their_records(evidence.config) == []
    assert records(evidence.config, "tamper") == []


def test_a_file_system_that_turned_read_only_is_named(video_disk, evidence_beside):
    evidence, source = evidence_beside, noisy_source()
    record(evidence, source, 2)
    evidence.stop()
    video_disk.remount("ro")
    evidence.start()
    with pytest.raises(StorageFailed, match="Read-only file system"):
        record(evidence, source, 1)
    video_disk.remount("rw")
    wait_until(lambda: store_gop(evidence, source.next()))
    assert evidence.status().alarms == ()
