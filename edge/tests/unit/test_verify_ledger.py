"""What a ledger says has to agree with itself: numbers, times, locks and what was deleted."""

import msgspec
import pytest

from roeh.ledger import records
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.records import Record
from roeh.verify.ledger_state import LedgerState
from roeh.verify.report import Weight

BOOT, NEXT_BOOT = "boot-1", "boot-2"


def segment(number, *, first_s, end_s, camera_id="north", boot_id=BOOT):
    return records.SegmentRecord(
        row=number,
        camera_id=camera_id,
        segment=number,
        path=f"segments/{camera_id}/{number:08d}.mp4",
        boot_id=boot_id,
        t_first_mono_us=int(first_s * 1e6),
        t_end_mono_us=int(end_s * 1e6),
        t_utc_us=0,
        utc_error_us=0,
        synchronised=True,
        codec="h264",
        width_px=64,
        height_px=64,
        is_masked=False,
        init_bytes=1,
        init_sha256="0" * 64,
        size_bytes=1,
        sha256="0" * 64,
        end_reason="full",
        fragments=(),
    )


def gap(from_s, to_s, *, from_boot=BOOT, to_boot=BOOT):
    return records.GapRecord(
        camera_id="north",
        from_boot_id=from_boot,
        from_mono_us=int(from_s * 1e6),
        from_utc_us=0,
        to_boot_id=to_boot,
        to_mono_us=int(to_s * 1e6),
        to_utc_us=0,
        reason="source_stalled",
    )


def prune(number, leaf):
    return records.PruneRecord(
        row=number, camera_id="north", segment=number, segment_leaf=leaf, reason="age"
    )


def alert(seq, raised_id="a"):
    return records.AlertRecord(
        seq=seq,
        id=f"{seq}",
        raised_id=raised_id,
        phase="raised",
        priority=5,
        rule="gate",
        payload_sha256="0" * 64,
        thumbnail_sha256=None,
    )


def lock(raised_id):
    return records.LockRecord(
        raised_id=raised_id,
        camera_id="north",
        boot_id=BOOT,
        from_mono_us=0,
        to_mono_us=1,
        expires_age_us=1,
    )


def operation(step):
    return records.OperationRecord(operation="festival", step=step, cause="hours")


def output(**fields):
    plain = {"cause": "alert", "cause_id": "a", "on_ms": 1, "refused": "", "age_us": 1}
    return records.OutputRecord(output="siren", **(plain | fields))


def line(leaf, body, *, node="pole-7"):
    return canonical_struct(
        Record(
            leaf=leaf,
            site="haifa",
            node=node,
            boot_id=BOOT,
            t_mono_us=0,
            t_utc_us=0,
            utc_error_us=0,
            synchronised=True,
            body=body,
        )
    )


def read(*bodies):
    state = LedgerState()
    for leaf, body in enumerate(bodies):
        state.take(line(leaf, body), 0, 0)
    return state


def found(state):
    return [(f.what, f.leaf) for f in state.findings if f.weight is Weight.FAIL]


ORDINARY = (
    records.BootRecord(version="1", was_clean=True),
    segment(1, first_s=1, end_s=11),
    segment(2, first_s=11.1, end_s=21),
    gap(21, 30),
    segment(3, first_s=30, end_s=40),
    gap(40, 2, to_boot=NEXT_BOOT),
    segment(4, first_s=2, end_s=12, boot_id=NEXT_BOOT),
    prune(1, 1),
    alert(1),
    lock("a"),
    records.UnlockRecord(raised_id="a", reason="expired"),
    output(),
    operation("begun"),
    operation("ended"),
    operation("begun"),
)


def test_an_ordinary_ledger_is_not_objected_to():
    state = read(*ORDINARY)
    assert found(state) == []
    assert sorted(state.segments["north"]) == [2, 3, 4]
    assert (state.segment_count, state.pruned_count, state.gap_count) == (4, 1, 2)


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ((segment(1, first_s=0, end_s=9), segment(3, first_s=9, end_s=19)), "segment_unrecorded"),
        ((segment(1, first_s=0, end_s=9), segment(1, first_s=9, end_s=19)), "segment_twice"),
        ((segment(1, first_s=0, end_s=9), segment(2, first_s=12, end_s=19)), "time_uncovered"),
        ((segment(1, first_s=0, end_s=9), segment(2, first_s=5, end_s=19)), "time_uncovered"),
        (
            (segment(1, first_s=0, end_s=9), segment(2, first_s=9, end_s=19, boot_id=NEXT_BOOT)),
            "time_uncovered",
        ),
        ((segment(1, first_s=0, end_s=9), gap(15, 20)), "time_uncovered"),
        ((segment(1, first_s=0, end_s=9), prune(2, 0)), "prune_unfounded"),
        ((alert(4), alert(6)), "alerts_missing"),
        ((alert(1), lock("b")), "lock_unfounded"),
        (
            (alert(1), records.ReleaseRecord(hold_id="h", person="p", reason="r", step="asked")),
            "release_unfounded",
        ),
        ((alert(1), output(cause_id="b")), "output_unfounded"),
        ((alert(1), output(cause="command")), "output_unfounded"),
        ((alert(1), operation("ended")), "operation_unfounded"),
        ((operation("begun"), operation("begun")), "operation_unfounded"),
    ],
)
def test_what_does_not_agree_is_placed_to_its_leaf(bodies, expected):
    assert (expected, 1) in found(read(*bodies))


def held():
    return records.HoldRecord(hold_id="h", person="p-1", reason="r", spans=())


def asked(export_id="e"):
    return records.ExportRequestRecord(
        export_id=export_id,
        request_sha256="0" * 64,
        person="p-1",
        case="c-1",
        export_kind="full",
        cameras=("north",),
        from_utc_us=0,
        to_utc_us=1,
        hold_id="h",
        is_signed=False,
    )


def export(what, export_id="e"):
    return records.ExportRecord(export_id=export_id, step=what, person="", detail="")


def refusal():
    return records.ApprovalRecord(
        export_id="e",
        approval_sha256="0" * 64,
        person="p-2",
        verdict="refused",
        trust_list_version=1,
    )


ENDED = records.ReleaseRecord(hold_id="h", person="", reason="r", step="ended")


@pytest.mark.parametrize("end", [export("failed"), export("expired"), refusal()])
def test_the_hold_of_an_export_ends_with_it(end):
    assert found(read(held(), asked(), end, ENDED)) == []


@pytest.mark.parametrize(
    "bodies",
    [
        (held(), ENDED),
        (held(), asked(), ENDED),
        (held(), asked(), export("begun"), ENDED),
        (held(), asked(), export("ready"), ENDED),
        (held(), asked(), export("taken"), ENDED),
        (held(), asked(), export("failed", "another"), ENDED),
    ],
)
def test_a_hold_that_ends_by_itself_without_an_export_that_ended_is_unfounded(bodies):
    assert found(read(*bodies)) == [("release_unfounded", len(bodies) - 1)]


def test_a_record_of_another_node_is_foreign():
    state = read(ORDINARY[0])
    state.take(line(1, ORDINARY[1], node="pole-8"), 0, 0)
    assert found(state) == [("record_foreign", 1)]


def test_a_line_that_is_no_record_is_told_and_the_rest_is_read():
    state = LedgerState()
    state.take(b"{}", 0, 0)
    state.take(line(1, ORDINARY[0]), 0, 0)
    assert found(state) == [("record_unreadable", 0)]


def test_a_record_that_says_the_same_in_other_bytes_is_rewritten():
    state = LedgerState()
    same = msgspec.json.encode(msgspec.json.decode(line(0, ORDINARY[0])), order="sorted")
    state.take(same + b" ", 0, 0)
    assert found(state) == [("record_rewritten", 0)]
