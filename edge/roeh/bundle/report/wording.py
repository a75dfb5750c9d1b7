"""The facts of an export, put into words: the same sections in every language."""

from __future__ import annotations

from roeh.bundle import layout
from roeh.bundle.layout import CameraEntry, ExportDocument
from roeh.bundle.report.custody_rows import custody_rows
from roeh.bundle.report.digest import Digest, ReportFacts, Still
from roeh.bundle.report.drawing import timeline
from roeh.bundle.report.page import (
    Block,
    Cell,
    Commands,
    Direction,
    Facts,
    Language,
    Mark,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
    code,
    isolated,
)
from roeh.bundle.report.parts import parts_blocks
from roeh.bundle.report.words import Words
from roeh.bundle.report.words_en import EN
from roeh.bundle.report.words_he import HE
from roeh.core.moments import length_text, size_text, utc_text
from roeh.core.retrieval import Person

_WORDS: dict[Language, tuple[Words, Direction]] = {
    Language.EN: (EN, "ltr"),
    Language.HE: (HE, "rtl"),
}
_MAX_DAMAGE_SHOWN = 100
_MAX_GAPS_SHOWN = 200


class _Totals:
    """Counts over all cameras."""

    def __init__(self, cameras: tuple[CameraEntry, ...]) -> None:
        self.damaged = sum(camera.damaged for camera in cameras)
        self.lost = sum(camera.missing + camera.unreadable for camera in cameras)
        self.unproven = sum(camera.unproven for camera in cameras)
        intact = sum(camera.intact for camera in cameras)
        self.held = intact + self.damaged + self.lost
        self.bad = self.damaged + self.lost


def worded(facts: ReportFacts, language: Language) -> Report:
    """The report in one language."""
    words, direction = _WORDS[language]
    export = facts.export
    totals = _Totals(export.cameras)
    verdict, mark, findings = _verdict(words, totals, export)
    is_redacted = export.kind == "redacted"
    recorded = words.section_originals if is_redacted else words.section_recorded
    return Report(
        language=language,
        direction=direction,
        title=words.title,
        subtitle=words.subtitle.format(
            site=isolated(export.site),
            node=isolated(export.node),
            when=_span(words, export.request.from_utc_us, export.request.to_utc_us),
        ),
        verdict=verdict,
        finding=findings[0],
        mark=mark,
        sections=(
            Section("findings", words.section_findings, _findings(words, facts, findings[1:])),
            Section("request", words.section_request, _request(words, facts)),
            Section("recorded", recorded, _recorded(words, facts)),
            Section("timeline", words.section_timeline, _timeline(words, facts)),
            Section("stills", words.section_stills, _stills(words, facts.stills)),
            Section("clock", words.section_clock, _clock(words, facts)),
            Section("witness", words.section_witness, _witness(words, facts)),
            Section("custody", words.section_custody, _custody(words, facts)),
            Section("parts", words.section_parts, parts_blocks(words, facts.digest)),
            Section("keys", words.section_keys, _keys(words, facts)),
            Section("verify", words.section_verify, _verify(words, facts)),
        ),
        footer=words.footer.format(export=code(export.export_id)),
        made_utc_us=max(0, export.clock.t_utc_us),
    )


def _verdict(words: Words, totals: _Totals, export: ExportDocument) -> tuple[str, Mark, list[str]]:
    """The word, its mark, and its sentences."""
    is_redacted = export.kind == "redacted"
    if totals.bad or export.damage_count:
        finding = words.finding_damaged.format(
            segments=code(totals.held),
            bad=code(totals.bad),
            damaged=code(totals.damaged),
            lost=code(totals.lost),
        )
        here = [] if is_redacted else [words.finding_damaged_here]
        return words.damaged, "bad", [finding, *here, *_unproven(words, totals)]
    if not totals.held:
        return words.empty, "unsure", [words.finding_empty]
    intact = words.finding_intact_redacted if is_redacted else words.finding_intact
    return words.intact, "good", [intact, *_unproven(words, totals)]


def _unproven(words: Words, totals: _Totals) -> list[str]:
    if not totals.unproven:
        return []
    return [words.finding_unproven.format(unproven=code(totals.unproven))]


def _findings(words: Words, facts: ReportFacts, sentences: list[str]) -> tuple[Block, ...]:
    export = facts.export
    blocks: list[Block] = [Paragraph(sentence, "unsure") for sentence in sentences]
    blocks += [Paragraph(isolated(line), "bad") for line in export.damage[:_MAX_DAMAGE_SHOWN]]
    hidden = export.damage_count - min(len(export.damage), _MAX_DAMAGE_SHOWN)
    if hidden > 0:
        more = words.damage_more.format(count=code(hidden), path=code(layout.EXPORT))
        blocks.append(Paragraph(more, "bad"))
    blocks += [
        Paragraph(words.note_also.format(note=isolated(note)), "unsure") for note in export.notes
    ]
    blocks.append(Paragraph(words.finding_not_proof))
    return tuple(blocks)


def _request(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    export, request = facts.export, facts.export.request
    is_redacted = export.kind == "redacted"
    rows: list[tuple[str, Cell]] = [
        (words.case_number, Cell(isolated(request.case_number))),
        (words.legal_basis, Cell(isolated(request.legal_basis))),
        (words.reason, Cell(isolated(request.reason))),
        (words.requested_by, Cell(_person(words, facts.requester, request.requester_number))),
        (words.requested_at, Cell(_time(request.requested_utc_us))),
    ]
    if facts.approval is None:
        rows.append((words.approved_by, Cell(words.not_approved, "unsure")))
    else:
        approval = facts.approval
        rows += [
            (
                words.approved_by,
                Cell(_person(words, facts.approver, approval.approver_number)),
            ),
            (
                words.approval_valid,
                Cell(_span(words, approval.not_before_utc_us, approval.expires_utc_us)),
            ),
        ]
        if approval.note:
            rows.append((words.approval_note, Cell(isolated(approval.note))))
    rows += [
        (words.kind, Cell(words.kind_redacted if is_redacted else words.kind_full)),
        (
            words.place,
            Cell(words.place_value.format(node=isolated(export.node), site=isolated(export.site))),
        ),
        (words.span, Cell(_span(words, request.from_utc_us, request.to_utc_us))),
        (words.length, Cell(code(length_text(request.to_utc_us - request.from_utc_us)))),
        (words.cameras, Cell(", ".join(map(isolated, request.cameras)))),
    ]
    if is_redacted:
        regions = [
            f"{region.camera_id} {region.x0_px},{region.y0_px}-{region.x1_px},{region.y1_px}"
            for region in request.regions
        ]
        rows.append((words.regions, Cell(", ".join(map(code, regions)) or words.none)))
    rows += [
        (words.recipients, Cell(", ".join(map(code, request.recipients)), is_code=True)),
        (words.export_id, Cell(code(export.export_id), is_code=True)),
        (words.software, Cell(code(export.software))),
    ]
    blocks: list[Block] = [Facts(tuple(rows))]
    if is_redacted:
        blocks.append(Paragraph(words.kind_redacted_note))
    return tuple(blocks)


def _recorded(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    cameras = facts.export.cameras
    blocks: list[Block] = [
        Table(
            "",
            (
                words.camera, words.held_from, words.held_to, words.count_intact,
                words.count_damaged, words.count_lost, words.count_deleted,
                words.count_unproven, words.size,
            ),
            (2.6, 4.4, 4.4, 1.8, 2.3, 1.5, 2.5, 2.6, 2.4),
            tuple(_camera_row(words, camera) for camera in cameras),
        )
    ]  # fmt: skip
    joins = [join for camera in cameras for join in camera.joins]
    if joins:
        blocks.append(
            Table(
                words.playable,
                (words.playable_file, words.held_from, words.held_to, words.picture_size,
                 words.size),
                (5, 4, 4, 4, 2.5),
                tuple(
                    (
                        Cell(code(join.path), is_code=True),
                        Cell(_time(join.from_utc_us)),
                        Cell(_time(join.to_utc_us)),
                        Cell(code(f"{join.codec} {join.width_px}x{join.height_px}")),
                        Cell(code(size_text(join.size_bytes))),
                    )
                    for join in joins
                ),
                words.playable_note,
            )
        )  # fmt: skip
    gaps = [(camera.camera_id, gap) for camera in cameras for gap in camera.gaps]
    if not gaps:
        return (*blocks, Paragraph(words.no_gaps))
    hidden = len(gaps) - _MAX_GAPS_SHOWN
    blocks.append(
        Table(
            words.gaps,
            (words.camera, words.held_from, words.held_to, words.length, words.gap_reason),
            (3, 4, 4, 2, 5),
            tuple(
                (
                    Cell(isolated(camera_id)),
                    Cell(_time(gap.from_utc_us)),
                    Cell(_time(gap.to_utc_us)),
                    Cell(code(length_text(gap.to_utc_us - gap.from_utc_us))),
                    Cell(isolated(gap.reason.replace("_", " "))),
                )
                for camera_id, gap in gaps[:_MAX_GAPS_SHOWN]
            ),
            words.damage_more.format(count=code(hidden), path=code(layout.EXPORT))
            if hidden > 0
            else "",
        )
    )
    return tuple(blocks)


def _camera_row(words: Words, camera: CameraEntry) -> tuple[Cell, ...]:
    lost = camera.missing + camera.unreadable
    is_held = camera.to_utc_us > 0
    return (
        Cell(isolated(camera.camera_id)),
        Cell(_time(camera.from_utc_us) if is_held else words.none),
        Cell(_time(camera.to_utc_us) if is_held else words.none),
        Cell(code(camera.intact)),
        Cell(code(camera.damaged), "bad" if camera.damaged else ""),
        Cell(code(lost), "bad" if lost else ""),
        Cell(code(camera.deleted)),
        Cell(code(camera.unproven), "unsure" if camera.unproven else ""),
        Cell(code(size_text(camera.size_bytes))),
    )


def _timeline(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    return (timeline(words, facts), Paragraph(words.timeline_note))


def _stills(words: Words, stills: tuple[Still, ...]) -> tuple[Block, ...]:
    if not stills:
        return (Paragraph(words.no_stills),)
    pictures = tuple(
        Picture(
            still.name,
            _still_words(words, still).format(
                camera=isolated(still.camera_id), when=_time(still.t_utc_us)
            ),
        )
        for still in stills
    )
    return (Pictures(pictures), Paragraph(words.stills_note))


def _still_words(words: Words, still: Still) -> str:
    if still.is_view:
        return words.still_view
    return words.still_of_alert if still.of_alert else words.still_of_camera


def _clock(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    clock = facts.export.clock
    sentence = words.clock_synchronised if clock.synchronised else words.clock_unsynchronised
    blocks: list[Block] = [
        Paragraph(
            sentence.format(error=code(length_text(clock.utc_error_us))),
            "" if clock.synchronised else "unsure",
        )
    ]
    for camera in facts.export.cameras:
        if camera.to_utc_us <= 0:
            continue
        sentence = words.clock_camera if camera.synchronised else words.clock_camera_unsynchronised
        blocks.append(
            Paragraph(
                sentence.format(
                    camera=isolated(camera.camera_id), error=code(length_text(camera.utc_error_us))
                ),
                "" if camera.synchronised else "unsure",
            )
        )
    blocks += [
        Paragraph(words.clock_order),
        Facts(((words.made_at, Cell(_time(clock.t_utc_us))),)),
    ]
    return tuple(blocks)


def _witness(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    witness, timestamp = facts.export.witness, facts.export.timestamp
    blocks: list[Block] = []
    if not witness.size:
        blocks.append(Paragraph(words.witness_never, "unsure"))
    elif witness.t_utc_us is None or witness.window_us is None:
        blocks.append(Paragraph(words.witness_untimed.format(size=code(witness.size)), "unsure"))
    else:
        blocks.append(
            Paragraph(
                words.witness_window.format(
                    window=code(length_text(witness.window_us)), when=_time(witness.t_utc_us)
                )
            )
        )
        after_us = witness.span_window_us or 0
        if after_us > 0:
            partly = words.witness_span_partly.format(length=code(length_text(after_us)))
            blocks.append(Paragraph(partly, "unsure"))
        else:
            blocks.append(Paragraph(words.witness_span_covered, "good"))
        blocks.append(Paragraph(words.witness_meaning))
    match timestamp.state:
        case "none":
            blocks.append(Paragraph(words.timestamp_none))
        case "granted":
            blocks.append(Paragraph(words.timestamp_granted, "good"))
        case "failed":
            failed = words.timestamp_failed.format(detail=isolated(timestamp.detail))
            blocks.append(Paragraph(failed, "unsure"))
    blocks.append(
        Facts(
            (
                (words.ledger_size, Cell(code(facts.export.ledger_size))),
                (words.witnessed_size, Cell(code(witness.size))),
            )
        )
    )
    return tuple(blocks)


def _custody(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    digest: Digest = facts.digest
    if not digest.custody:
        return (Paragraph(words.custody_none),)
    hidden = digest.custody_count - len(digest.custody)
    are_all_synchronised = all(record.synchronised for record in digest.custody)
    unsure = () if are_all_synchronised else (Paragraph(words.custody_unsynchronised),)
    return (
        Paragraph(words.custody_note),
        *unsure,
        Table(
            "",
            (words.leaf, words.when, words.who, words.what, words.detail),
            (1.4, 4, 4, 5, 6),
            custody_rows(words, digest.custody, facts.export.names),
            words.custody_more.format(count=code(hidden)) if hidden else "",
        ),
    )


def _keys(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    export = facts.export
    names = {"media": words.key_media, "log": words.key_log, "manifest": words.key_manifest}
    rows = tuple(
        (Cell(names.get(usage) or isolated(usage)), Cell(isolated(home)))
        for usage, home in export.key_homes.items()
    )
    blocks: list[Block] = [
        Table("", (words.key_usage, words.key_home), (3, 5), rows, words.key_note)
    ]
    trust = export.trust_list
    if not trust.version:
        return (*blocks, Paragraph(words.trust_none, "unsure"))
    age = words.not_known if trust.age_us is None else code(length_text(trust.age_us))
    blocks.append(
        Facts(
            (
                (words.trust_version, Cell(code(trust.version))),
                (words.trust_issued, Cell(_time(trust.issued_utc_us))),
                (words.trust_age, Cell(age)),
            )
        )
    )
    return tuple(blocks)


def _verify(words: Words, facts: ReportFacts) -> tuple[Block, ...]:
    bundle = f"{layout.bag_name(facts.export.export_id)}.zip.age"
    return (
        Paragraph(words.verify_note),
        Commands(
            (
                (
                    words.verify_roeh,
                    f"roeh verify {bundle} --identity key.txt --trust root.pem",
                ),
                (words.verify_hashes, f"sha256sum -c {layout.MANIFEST}"),
                (
                    words.verify_manifest,
                    "openssl cms -verify -binary -inform DER"
                    f" -in {layout.MANIFEST_SIGNATURE} -content {layout.MANIFEST}"
                    " -CAfile root.pem -purpose any -out /dev/null",
                ),
                (
                    words.verify_timestamp,
                    f"openssl ts -verify -data {layout.MANIFEST} -in {layout.SEAL_TIMESTAMP}"
                    " -CAfile tsa-root.pem",
                ),
            )
        ),
        Paragraph(words.verify_trusted, "unsure"),
    )


def _person(words: Words, person: Person | None, number: str) -> str:
    if person is None:
        return isolated(number)
    return words.person_value.format(
        name=isolated(person.name),
        organisation=isolated(person.organisation),
        number=isolated(person.number),
    )


def _time(t_us: int) -> str:
    return code(utc_text(t_us))


def _span(words: Words, from_us: int, to_us: int) -> str:
    return words.from_to.format(start=_time(from_us), end=_time(to_us))
