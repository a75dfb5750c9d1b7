"""Whatever happens to a pole lawfully, nobody cries tampering; both verdicts after each life."""

import msgspec
import pytest

from roeh.bitstream.media_signing import ChainState, next_state, with_seis, without
from roeh.core.clock import SimulatedClock
from roeh.core.custody import PlaceHold, Span
from roeh.core.gop import StreamEnd
from roeh.core.paths import node_database
from roeh.core.types import EvidenceReference
from roeh.keys.signer import KeyUsage
from roeh.verify.report import Weight
from tests.alert_drafts import alert_draft
from tests.lives import PoleLife, failures, remarks
from tests.signed_video import signed

YEAR_S = 365 * 86_400


@pytest.fixture
def pole(memory_directory):
    life = PoleLife(memory_directory)
    yield life
    life.close()


def is_sound(pole):
    """Both verdicts, of the offline verifier and of the node's own check."""
    report, check = pole.verified(), pole.checked()
    assert failures(report) == []
    assert failures(check) == []
    return report


def lose_database(pole):
    for path in node_database(pole.config).parent.glob("node.db*"):
        path.unlink()


def shrink_ring(pole, max_bytes):
    settings = msgspec.structs.replace(pole.parts.retention._settings, max_bytes=max_bytes)
    pole.parts.retention._settings = settings
    pole.parts.retention.make_room(0)


def raise_alert(pole):
    now = pole.clock.read()
    t_us = now.t_mono_ns // 1000
    seen = EvidenceReference("north", 0, 1, t_us - 1000, t_us)
    pole.parts.store.store(alert_draft(site="harbour", boot_id=now.boot_id, evidence=seen), None)


def kills(pole):
    for count in range(8):
        pole.record(1 + count % 3)
        pole.kill()
        pole.start()


def quick_restarts(pole):
    for count in range(8):
        pole.record(count % 2)
        pole.restart()


def captures_that_restart(pole):
    for count in range(12):
        pole.record(1)
        pole.capture_restarts("north")
        if count % 3 == 0:
            pole.capture_restarts("south")


def boots(pole):
    for count in range(4):
        pole.record(3)
        (pole.kill if count % 2 else pole.stop)()
        pole.reboot()
        pole.start()
    pole.record(3)


def clock_steps(pole):
    for step_s in (3600, -7200, 10 * YEAR_S, -10 * YEAR_S, 0.7):
        pole.record(3)
        pole.clock.step_utc(step_s)
        pole.parts.age.tick()
        pole.sources.clear()
    pole.record(3)


def keys_rotate(pole):
    for usages in ([KeyUsage.MEDIA], [KeyUsage.LOG], list(KeyUsage)):
        pole.record(6)
        pole.kill()
        pole.rotate(usages)
        pole.start()
    pole.record(6)


def deletions_and_holds(pole):
    pole.record(16)
    boot_id = pole.clock.read().boot_id
    span = Span("north", boot_id, 4_000_000, 5_000_000)
    hold_id = "0198c1f2-6d1b-7c55-9f3e-2b8e6a1c4d07"
    pole.parts.holds.place(PlaceHold(hold_id, "A. Visser", "case 7", (span,)))
    shrink_ring(pole, 1)
    assert len(list(pole.data.glob("segments/*/*.mp4"))) == 1 + len(pole.cameras)
    pole.record(7)
    pole.kill()
    pole.start()
    pole.record(3)


def codecs(pole):
    for codec in ("h264", "h265", "h264"):
        pole.codec = codec
        pole.sources.clear()
        pole.record(5)


def cameras_come_and_go(pole):
    pole.record(5)
    pole.kill()
    pole.cameras = ("east", "south")
    pole.start()
    pole.record(5)
    pole.kill()
    pole.reboot()
    pole.cameras = ("north", "south")
    pole.settings["segment_s"] = 1.0
    pole.start()
    pole.record(5)


def cameras_that_sign(pole):
    """A chain of the camera's own in what it sends, one that is not unbroken either."""
    state = ChainState()
    for number in range(12):
        gop = pole.source("north").next()
        units = (with_seis(gop.units[0], [signed(one) for one in state.pending]), *gop.units[1:])
        state = next_state(without(state, state.pending), gop.units, gop.t_utc_us, gop.t_utc_us)
        if number % 5 == 3:
            state = ChainState()
        pole.recorder.store(msgspec.structs.replace(gop, units=units))
        pole.clock.advance(0.5)


def silence(pole):
    pole.record(5)
    pole.clock.advance(40)
    pole.recorder.close_silent()
    pole.sources.clear()
    pole.record(5)
    pole.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    pole.clock.advance(5)
    pole.sources.clear()
    pole.record(3)


def rebuilds(pole):
    """node.db is gone three times; gaps since the ledger was mirrored go with it."""
    pole.record(9)
    pole.parts.checkpoints.renew()
    pole.clock.advance(20)
    pole.sources.clear()
    pole.record(6)
    for _ in range(3):
        pole.kill()
        lose_database(pole)
        pole.start()
        pole.record(3)


def rebuilt_over_boots(pole):
    pole.record(9)
    pole.kill()
    pole.reboot()
    pole.start()
    pole.record(6)
    pole.kill()
    lose_database(pole)
    pole.reboot()
    pole.start()
    pole.record(3)


def alerts_over_a_rebuild(pole):
    for _ in range(3):
        pole.record(3)
        raise_alert(pole)
    pole.kill()
    lose_database(pole)
    pole.start()
    raise_alert(pole)
    pole.record(3)


@pytest.mark.parametrize(
    "life",
    [
        kills,
        quick_restarts,
        captures_that_restart,
        boots,
        clock_steps,
        keys_rotate,
        deletions_and_holds,
        codecs,
        cameras_come_and_go,
        cameras_that_sign,
        silence,
        rebuilds,
        rebuilt_over_boots,
        alerts_over_a_rebuild,
    ],
)
def test_no_lawful_life_looks_like_tampering(pole, life):
    pole.start()
    life(pole)
    pole.stop()
    is_sound(pole)


def test_what_was_lost_with_node_db_is_said(pole):
    pole.start()
    rebuilds(pole)
    pole.stop()
    assert {"rebuilt", "gap_without_record"} <= remarks(pole.verified())


def test_a_group_that_is_gone_is_no_gap_whose_record_was_lost(pole):
    pole.start()
    pole.record(9)
    pole.parts.checkpoints.renew()
    pole.record(9, "north")
    pole.kill()
    lose_database(pole)
    pole.data.joinpath("segments/north/00000004.mp4").unlink()
    pole.start()
    pole.stop()
    report = pole.verified()
    assert {"segment_unrecorded", "gops_missing"} <= {what for what, _, _ in failures(report)}
    assert "gap_without_record" not in remarks(report)


def test_a_clock_that_was_never_set_leaves_the_time_of_signing_open(pole):
    boot_id = pole.clock.read().boot_id
    pole.clock = SimulatedClock(
        t_mono_ns=10**9,
        t_utc_ns=1_700_000_000 * 10**9,
        utc_error_ns=3600 * 10**9,
        synchronised=False,
        boot_id=boot_id,
    )
    pole.start()
    for _ in range(6):
        pole.store("north", synchronised=False, utc_error_us=3_600_000_000)
        pole.clock.advance(0.5)
    pole.stop()
    report = is_sound(pole)
    open_ones = [one.what for one in report.findings if one.weight is Weight.NOT_CHECKED]
    assert "clock_not_set" in open_ones


def test_a_clock_that_was_set_and_says_another_time_than_the_certificate_does_not_pass(pole):
    pole.clock.step_utc(-4 * YEAR_S)
    pole.start()
    pole.record(6)
    pole.stop()
    assert {what for what, _, _ in failures(pole.verified())} == {
        "signer_not_trusted",
        "log_key_not_trusted",
    }


def test_a_store_that_is_in_use_is_verified_while_segments_come_and_go(pole):
    pole.start()
    pole.record(12)
    pole.parts.checkpoints.renew()
    happened = []

    def meanwhile(progress):
        if not happened:
            happened.append(progress)
            shrink_ring(pole, 1)
            pole.record(12)
            pole.parts.checkpoints.renew()

    report = pole.verified(on_progress=meanwhile)
    pole.stop()
    assert happened
    assert failures(report) == []
    assert failures(pole.verified()) == []


def test_a_file_taken_away_while_it_is_verified_is_missed(pole):
    pole.start()
    pole.record(12)
    pole.stop()

    def meanwhile(_progress):
        pole.data.joinpath("segments/north/00000003.mp4").unlink(missing_ok=True)

    report = pole.verified(on_progress=meanwhile)
    assert [what for what, _, _ in failures(report)] == ["segment_missing"]


def test_who_loses_node_db_after_a_deletion_is_told_that_it_was_by_rule(pole):
    pole.start()
    pole.record(16)
    shrink_ring(pole, 60_000)
    pole.kill()
    lose_database(pole)
    pole.start()
    pole.record(3)
    pole.stop()
    is_sound(pole)
