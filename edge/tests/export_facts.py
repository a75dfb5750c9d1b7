"""Facts of made-up exports, for whoever words or draws a report."""

import hashlib

import msgspec

from roeh.bundle.layout import (
    CameraEntry,
    ClockEntry,
    ExportDocument,
    GapEntry,
    GopEntry,
    JoinEntry,
    SegmentEntry,
    TimestampEntry,
    TrustEntry,
    WitnessEntry,
)
from roeh.bundle.report import DigestMaker, ReportFacts, Still
from roeh.core.retrieval import Approval, ExportRequest, Person, PersonRole, Region
from roeh.ledger.records import (
    AccessRecord,
    AccessRefusedRecord,
    AlertRecord,
    ApprovalRecord,
    ExportRecord,
    ExportRequestRecord,
    HoldRecord,
    HoldSpan,
    LockRecord,
    Record,
    TrustListRecord,
)

START_US = 1_763_900_000_000_000
SEGMENT_US = 10_000_000
GOP_US = 2_000_000
BOOT = "0b2f8f4e-7d51-4a4e-8f9b-111111111111"
EXPORT_ID = "019a1b2c-3d4e-7f50-8a9b-0c1d2e3f4a5b"
RECIPIENT = "age1" + "q" * 58
CASE = "2025/11-4471"

REQUEST = ExportRequest(
    id=EXPORT_ID,
    site="haifa-port",
    node="pole-07",
    case_number=CASE,
    legal_basis="Court order 55-11-25, Haifa Magistrates' Court",
    reason="Assault at the bus stop on the corner of Ha-Atsma'ut and Sha'ar Palmer",
    cameras=("north", "south"),
    from_utc_us=START_US,
    to_utc_us=START_US + 120_000_000,
    recipients=(RECIPIENT,),
    requester_number="il-police-10442",
    requested_utc_us=START_US + 3_600_000_000,
)
REQUESTER = Person(
    "il-police-10442", "דנה לוי", "Israel Police, Haifa", PersonRole.INVESTIGATOR, "a" * 64
)
APPROVER = Person("il-police-90031", "Yossi Cohen", "Israel Police", PersonRole.APPROVER, "b" * 64)
APPROVAL = Approval(
    request=REQUEST,
    request_sha256="c" * 64,
    verdict="approved",
    approver_number=APPROVER.number,
    not_before_utc_us=START_US + 3_700_000_000,
    expires_utc_us=START_US + 90_000_000_000,
    note="Two cameras only",
)
NAMES = {"p-00112233445566aa": "דנה לוי", "p-00112233445566bb": "Yossi Cohen",
         "c-00112233445566cc": CASE}  # fmt: skip


def a_hash(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def a_segment(camera_id: str, number: int, state: str = "intact", leaf: int | None = 1):
    start = START_US + number * SEGMENT_US
    has_bytes = state in {"intact", "damaged"}
    gops = []
    for n in range(SEGMENT_US // GOP_US):
        recorded = a_hash((camera_id, number, n))
        found = recorded if not (state == "damaged" and n == 2) else a_hash("another")
        gops.append(
            GopEntry(
                offset_bytes=700 + n * 900_000,
                size_bytes=900_000,
                sha256_recorded=recorded,
                sha256=found if has_bytes else "",
                counter=n + 1,
                from_utc_us=start + n * GOP_US,
                to_utc_us=start + (n + 1) * GOP_US,
                is_asked_for=True,
            )
        )
    whole = a_hash((camera_id, number))
    return SegmentEntry(
        camera_id=camera_id,
        segment=number + 400,
        path=f"data/segments/{camera_id}/{number + 400:08d}.mp4" if has_bytes else "",
        leaf=leaf,
        state=state,
        size_bytes=4_500_700 if has_bytes else 0,
        size_recorded_bytes=4_500_700,
        sha256=whole if has_bytes else "",
        sha256_recorded=whole,
        init_sha256="d" * 64,
        init_sha256_recorded="d" * 64,
        boot_id=BOOT,
        t_first_mono_us=start - START_US,
        t_end_mono_us=start - START_US + SEGMENT_US,
        from_utc_us=start,
        to_utc_us=start + SEGMENT_US,
        utc_error_us=12_000,
        synchronised=True,
        end_reason="full",
        gops=tuple(gops),
    )


def a_record(leaf: int, body, at_us: int = START_US + 4_000_000_000) -> Record:
    return Record(
        leaf=leaf, site="haifa-port", node="pole-07", boot_id=BOOT, t_mono_us=at_us - START_US,
        t_utc_us=at_us, utc_error_us=12_000, synchronised=True, body=body,
    )  # fmt: skip


def some_records():
    person, other, case = NAMES
    return [
        a_record(10, AlertRecord(seq=4, id="x", raised_id="x", phase="raised", priority=7,
                                 rule="crowd-at-stop", payload_sha256="e" * 64,
                                 thumbnail_sha256=None), START_US + 31_000_000),
        a_record(11, LockRecord(raised_id="x", camera_id="north", boot_id=BOOT,
                                from_mono_us=1_000_000, to_mono_us=61_000_000,
                                expires_age_us=0), START_US + 31_000_000),
        a_record(60, AccessRecord(person=person, action="see_timeline", detail="north 10:00",
                                  role="investigator")),
        a_record(61, AccessRefusedRecord(person="", action="see_preview",
                                         reason="certificate_unknown", count=3)),
        a_record(62, HoldRecord(hold_id="h", person=person, reason="export", spans=(
            HoldSpan("north", BOOT, 0, 120_000_000), HoldSpan("south", BOOT, 0, 120_000_000)))),
        a_record(63, ExportRequestRecord(export_id=EXPORT_ID, request_sha256="c" * 64,
                                         person=person, case=case, export_kind="full",
                                         cameras=("north", "south"), from_utc_us=START_US,
                                         to_utc_us=START_US + 1, hold_id="h", is_signed=True)),
        a_record(64, ApprovalRecord(export_id=EXPORT_ID, approval_sha256="f" * 64, person=other,
                                    verdict="approved", trust_list_version=12)),
        a_record(65, ExportRecord(export_id=EXPORT_ID, step="begun", person="", detail="")),
        a_record(66, TrustListRecord(version=12, issued_utc_us=START_US, sha256="9" * 64,
                                     via="mqtt")),
    ]  # fmt: skip


def facts(*, damaged: bool = False, segments: int = 12, stills=(), request=REQUEST) -> ReportFacts:
    """An export of two cameras; `damaged`: one segment changed, one lost, a gap."""
    maker = DigestMaker(request.from_utc_us, request.to_utc_us)
    states = {("north", 4): "damaged", ("south", 7): "missing"} if damaged else {}
    for camera_id in ("north", "south"):
        for number in range(segments):
            if damaged and (camera_id, number) in {("south", 2), ("south", 3)}:
                continue
            state = states.get((camera_id, number), "intact")
            leaf = None if damaged and number == segments - 1 else number + 20
            maker.segment(a_segment(camera_id, number, state, leaf))
    for record in some_records():
        maker.record(record)
    gaps = (
        (GapEntry(40, "south", START_US + 20_000_000, START_US + 40_000_000, "source_stalled"),)
        if damaged
        else ()
    )
    cameras = tuple(
        CameraEntry(
            camera_id=camera_id,
            intact=segments - (len(states) + 1 if damaged else 0),
            damaged=int(damaged and camera_id == "north"),
            missing=int(damaged and camera_id == "south"),
            unproven=int(damaged),
            gops=segments * 5,
            size_bytes=segments * 4_500_700,
            from_utc_us=START_US,
            to_utc_us=START_US + segments * SEGMENT_US,
            utc_error_us=12_000,
            gaps=gaps if camera_id == "south" else (),
            joins=(
                JoinEntry(
                    path=f"data/video/{camera_id}-1.mp4", camera_id=camera_id, codec="h264",
                    width_px=1920, height_px=1080, from_utc_us=START_US,
                    to_utc_us=START_US + 122_000_000, asked_to_utc_us=START_US + 120_000_000,
                    gops=61, late_gops=1, gops_left_out=0, size_bytes=54_000_000,
                    sha256="7" * 64,
                ),
            ),
        )
        for camera_id in ("north", "south")
    )  # fmt: skip
    damage = (
        "segments/north/00000404.mp4, GOP 3 (10:13:24Z): other bytes than recorded",
        "segments/south/00000407.mp4: missing",
    )
    export = ExportDocument(
        export_id=EXPORT_ID,
        kind=request.kind,
        request=request,
        request_sha256="c" * 64,
        site=request.site,
        node=request.node,
        software="roeh 0.1.0",
        clock=ClockEntry(START_US + 4_100_000_000, 12_000, True, BOOT),
        key_homes={"media": "tpm2", "log": "tpm2", "manifest": "file"},
        names=NAMES,
        cameras=cameras,
        damage=damage if damaged else (),
        damage_count=2 if damaged else 0,
        trust_list=TrustEntry(12, START_US - 86_400_000_000, 90_000_000_000, "9" * 64),
        ledger_size=4711,
        records=9,
        witness=WitnessEntry(
            size=4690, t_utc_us=START_US + 4_050_000_000, window_us=50_000_000, span_window_us=0
        ),
        witness_keys=("desk",),
        timestamp=TimestampEntry("none"),
        notes=(),
    )
    return ReportFacts(
        export=export,
        digest=maker.finished(),
        requester=REQUESTER,
        approver=APPROVER,
        approval=APPROVAL,
        stills=tuple(stills),
    )


def redacted_request() -> ExportRequest:
    return msgspec.structs.replace(
        REQUEST, kind="redacted", regions=(Region("north", 10, 20, 110, 220),)
    )


__all__ = ["APPROVAL", "Still", "facts", "redacted_request"]
