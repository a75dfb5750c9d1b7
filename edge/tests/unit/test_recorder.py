"""What was acknowledged is in its file and in the index, byte for byte, and is signed."""

import hashlib
import os
import sys
import threading

import msgspec
import pytest

from roeh.bitstream.mp4_read import read_fragments
from roeh.core.errors import KeyRefused, MessageRefused, StorageFailed
from roeh.core.gop import AccessUnit, Discontinuity, StreamEnd
from tests.gops import GOP_US, GopSource
from tests.recorders import QuickSigner, RecordingStore, as_sent
from tests.waiting import wait_until


@pytest.fixture
def node(memory_directory):
    node = RecordingStore(memory_directory)
    yield node
    node.close()


# One fragment a group, about ten seconds a file


def test_groups_of_a_segment_stand_one_behind_the_other(node):
    assert node.store(*GopSource().take(6)) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
    (segment,) = node.records("segment")
    whole = node.path_of(1).read_bytes()
    assert segment.sha256 == hashlib.sha256(whole).hexdigest()
    assert segment.init_bytes + sum(f.size_bytes for f in segment.fragments) == len(whole)
    at = segment.init_bytes
    assert hashlib.sha256(whole[:at]).hexdigest() == segment.init_sha256
    for entry in segment.fragments:
        assert hashlib.sha256(whole[at : at + entry.size_bytes]).hexdigest() == entry.sha256
        at += entry.size_bytes
    assert (segment.end_reason, segment.path) == ("full", "north/00000001.mp4")
    assert [entry.gop_counter for entry in segment.fragments] == [1, 2, 3, 4]
    assert node.records("gap") == []
    assert node.closed == 1


def test_every_picture_of_a_group_comes_back_with_its_time(node):
    source = GopSource(reorder=True)
    gops = source.take(3)
    node.store(*gops)
    node.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    first_dts = gops[0].units[0].dts
    with node.path_of(1).open("rb") as file:
        found = [unit for fragment in read_fragments(file) for unit in fragment.units]
    sent = [unit for gop in gops for unit in gop.units]
    assert [(u.dts, u.pts, u.is_key) for u in found] == [
        (u.dts - first_dts, u.pts - first_dts, u.is_key) for u in sent
    ]
    assert [as_sent(u.nal_units) for u in found] == [as_sent(u.nal_units) for u in sent]


def test_cameras_do_not_mix(node):
    north, south = GopSource("north"), GopSource("south")
    assert node.store(north.next(), south.next(), north.next(), south.next()) == [
        (1, 0), (1, 0), (1, 1), (1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda source: source.resize(128, 80), "format_changed"),
        (lambda source: setattr(source, "is_masked", True), "format_changed"),
        (lambda source: source.restart_capture(), "discontinuity"),
        (lambda source: source.skip(3_000_000), "discontinuity"),
        (lambda source: setattr(source, "seq", source.seq + 4), "discontinuity"),
    ],
)
def test_what_does_not_continue_goes_into_another_file(node, change, reason):
    source = GopSource()
    node.store(source.next())
    change(source)
    assert node.store(source.next()) == [(2, 0)]
    assert [one.end_reason for one in node.records("segment")] == [reason]


@pytest.mark.parametrize("reason", StreamEnd)
def test_the_end_of_a_stream_closes_its_segment_and_says_why(node, reason):
    source = GopSource()
    node.store(source.next())
    node.recorder.end_stream("north", reason)
    node.recorder.end_stream("north", reason)
    assert [one.end_reason for one in node.records("segment")] == [reason.value]


def test_a_camera_that_falls_silent_has_its_segment_closed(node):
    node.store(GopSource("north").next())
    node.clock.advance(20.0)
    node.store(GopSource("south").next())
    node.recorder.close_silent()
    assert node.records("segment") == []
    node.clock.advance(20.0)
    node.recorder.close_silent()
    assert [(one.camera_id, one.end_reason) for one in node.records("segment")] == [
        ("north", "source_stalled")
    ]
    ages = {one.camera_id: one.fragment_age_us for one in node.recorder.health()}
    assert ages == {"north": 40_000_000, "south": 20_000_000}


def test_the_same_group_again_is_found_and_not_stored_again(node):
    gops = GopSource().take(6)
    stored = node.store(*gops)
    before = node.path_of(2).read_bytes()
    assert node.store(*gops) == stored
    assert node.path_of(2).read_bytes() == before


def test_a_group_that_comes_too_late_is_refused(node):
    source = GopSource()
    early, later = source.next(), source.next()
    node.store(later)
    with pytest.raises(MessageRefused, match="group 1 comes after group 2"):
        node.store(early)


def changed(gop, **changes):
    return msgspec.structs.replace(gop, **changes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda gop: changed(gop, camera_id="../north"),
        lambda gop: changed(gop, camera_id="west"),
        lambda gop: changed(gop, units=gop.units[1:]),
        lambda gop: changed(gop, units=(gop.units[0], gop.units[0])),
        lambda gop: changed(gop, units=(AccessUnit(b"\0\0\1\0torn", 0, 0, True),)),
        lambda gop: changed(gop, t_end_mono_us=gop.t_first_mono_us - 1),
        lambda gop: changed(
            gop, codec_config=msgspec.structs.replace(gop.codec_config, parameter_sets=())
        ),
    ],
)
def test_what_is_no_group_of_a_camera_is_refused_and_leaves_nothing(node, spoil):
    with pytest.raises(MessageRefused):
        node.store(spoil(GopSource().next()))
    assert node.files.list_files() == ([], [])
    assert node.rows("SELECT * FROM segment") == []


# Gaps


def test_time_without_pictures_is_a_gap_with_its_reason(node):
    source = GopSource()
    before = source.next()
    node.store(before)
    source.skip(3_000_000)
    after = source.next(discontinuity=Discontinuity.SOURCE_RECONNECTED)
    node.store(after)
    (gap,) = node.records("gap")
    assert gap.reason == "source_reconnected"
    assert (gap.from_mono_us, gap.to_mono_us) == (before.t_end_mono_us, after.t_first_mono_us)
    assert (gap.from_utc_us, gap.to_utc_us) == (before.t_utc_us + GOP_US, after.t_utc_us)
    assert node.rows("SELECT from_mono_us, to_mono_us, reason FROM gap") == [
        (gap.from_mono_us, gap.to_mono_us, "source_reconnected")
    ]


def test_a_break_without_time_lost_is_no_gap(node):
    source = GopSource()
    node.store(source.next())
    node.store(source.next(discontinuity=Discontinuity.SOURCE_RESTARTED))
    source.restart_capture()
    node.store(source.next())
    assert node.records("gap") == []


def test_groups_that_capture_had_to_drop_are_a_gap(node):
    source = GopSource()
    node.store(source.next())
    source.take(2)
    node.store(source.next())
    assert [one.reason for one in node.records("gap")] == ["ring_full"]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (StreamEnd.SOURCE_STALLED, "source_stalled"),
        (StreamEnd.SOURCE_ENDED, "source_ended"),
        (None, "source_stalled"),
    ],
)
def test_a_silence_has_the_reason_that_was_given(node, end, reason):
    source = GopSource()
    node.store(source.next())
    if end is not None:
        node.recorder.end_stream("north", end)
    source.skip(60_000_000)
    node.store(source.next())
    assert [one.reason for one in node.records("gap")] == [reason]


def test_a_stop_by_intent_is_the_reason_of_the_gap_after_it(memory_directory):
    source = GopSource()
    node = RecordingStore(memory_directory)
    node.store(source.next())
    node.close()
    again = RecordingStore(memory_directory)
    source.boot_id, source.mono_us = "another", 5_000_000
    source.utc_us += 3_600_000_000
    source.restart_capture()
    again.store(source.next())
    (gap,) = again.records("gap")
    assert (gap.reason, gap.to_boot_id, gap.to_mono_us) == ("stopped", "another", 5_000_000)
    again.close()


# Signatures in the stream


def test_each_group_is_signed_before_the_first_picture_of_the_next(node):
    node.store(*GopSource().take(6))
    assert node.signed_counters(1) == [[], [1], [2], [3]]
    assert node.signed_counters(2) == [[4], [5]]


def test_a_restart_goes_on_with_the_chain(memory_directory):
    source = GopSource()
    node = RecordingStore(memory_directory)
    node.store(*source.take(2))
    node.close()
    node = RecordingStore(memory_directory)
    node.store(*source.take(2))
    assert node.signed_counters(1) == [[], [1]]
    assert node.signed_counters(2) == [[2], [3]]
    assert node.rows("SELECT gop_counter FROM fragment ORDER BY segment_row, number") == [
        (1,), (2,), (3,), (4,),
    ]  # fmt: skip
    node.close()


class HeldSigner(QuickSigner):
    """A signer that hangs until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.asked = threading.Event()

    def sign(self, message):
        self.asked.set()
        self.let_go.wait(30)
        return super().sign(message)


def test_a_signer_that_hangs_delays_nothing_and_what_is_late_comes_later(memory_directory):
    signer = HeldSigner()
    node = RecordingStore(memory_directory, signer, segment_s=60.0)
    source = GopSource()
    node.store(*source.take(5))  # does not return if it waits
    assert signer.asked.is_set()
    assert node.recorder.alarms() == ("the signatures of north are 5 groups behind",)
    signer.let_go.set()
    wait_until(lambda: node.recorder.alarms() == ())
    node.store(*source.take(2))
    counters = node.signed_counters(1)
    assert counters[:5] == [[], [], [], [], []]
    assert counters[5][:2] == [1, 2]
    assert [one for group in counters for one in group] == [1, 2, 3, 4, 5, 6]
    node.close()


class BrokenSigner(QuickSigner):
    """A signer whose key is gone, until it is back."""

    is_broken = True

    def sign(self, message):
        if self.is_broken:
            raise KeyRefused(what="no answer", which="the TPM", remedy="look at it")
        return super().sign(message)


def test_a_signer_that_fails_is_an_alarm_and_recording_goes_on(memory_directory):
    signer = BrokenSigner()
    node = RecordingStore(memory_directory, signer)
    source = GopSource()
    node.store(*source.take(3))
    wait_until(node.recorder.alarms)
    assert "no answer: the TPM" in node.recorder.alarms()[0]
    signer.is_broken = False
    node.store(source.next(), source.next())
    wait_until(lambda: not node.recorder.alarms())
    node.store(source.next())
    signed = [one for number in (1, 2) for group in node.signed_counters(number) for one in group]
    assert signed[:4] == [1, 2, 3, 4]
    node.close()


def test_h265_is_recorded_without_a_stream_signature(node):
    node.store(*GopSource(codec="h265").take(5))
    assert node.signed_counters(1) == [[], [], [], []]
    (segment,) = node.records("segment")
    assert (segment.codec, {entry.gop_counter for entry in segment.fragments}) == ("h265", {0})
    assert node.recorder.alarms() == ()


# Nobody waits for somebody else's disk


def calls_of(function, look):
    """Run `function`; `look` is called whenever it calls something of the C library."""

    def on_call(frame, event, called):
        del frame
        if event == "c_call":
            look(called)

    sys.setprofile(on_call)
    try:
        function()
    finally:
        sys.setprofile(None)


def test_a_sync_of_video_holds_neither_the_database_nor_another_camera(node):
    source, other = GopSource("north"), GopSource("south")
    syncs = []

    def store_meanwhile(called):
        if called is os.fdatasync:
            thread = threading.Thread(target=lambda: syncs.append(node.store(other.next())))
            thread.start()
            thread.join(10)

    calls_of(lambda: node.store(source.next(), source.next()), store_meanwhile)
    assert syncs == [[(1, 0)], [(1, 1)], [(1, 2)]]  # the beginning of the file is synced too


def test_an_acknowledgement_comes_after_bytes_and_row_are_durable(node):
    source = GopSource()
    node.store(source.next())
    order = []

    def note(called):
        if called in (os.write, os.fdatasync):
            order.append(called.__name__)
        elif getattr(called, "__name__", "") == "execute" and order[-1:] != ["execute"]:
            order.append("execute")

    calls_of(lambda: node.store(source.next()), note)
    assert order[-3:] == ["write", "fdatasync", "execute"]


def test_nothing_is_stored_after_the_end(node):
    node.store(GopSource().next())
    node.recorder.close()
    with pytest.raises(StorageFailed, match="evidence is stopping"):
        node.store(GopSource().next())
