"""The report as PDF: sections in their order, the panorama across the page, lines to sign on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec

from roeh.bundle.report.page import Language, Section
from roeh.commission.facts import PoleFacts
from roeh.commission.landmarks import Landmark
from roeh.commission.page import (
    certificates_section,
    compass_section,
    findings_section,
    head_of,
    pole_section,
    rules_section,
    seeing_section,
    signing_section,
)
from roeh.commission.words import WORDS, Words
from roeh.render.pdf import draw_head, draw_section, sheet_for
from roeh.render.pdf_sheet import SOFT, WIDTH_MM, Sheet

PANORAMA, COVERAGE = "panorama", "coverage"
_PANORAMA_MOST_MM = 70.0
_CAPTION_PT, _LINE_PT = 7.0, 8.5
_SIGNATURE_MM = 15.0
_COMPASS_MM = 130.0


class Enclosed(msgspec.Struct, frozen=True):
    """What goes with the report.

    Attributes:
        pictures: JPEG by name: PANORAMA, COVERAGE, and those of `sensors` and `marked`.
        sensors: names of the sensors' pictures, in the configuration's order.
        marked: of the landmarks' pictures, in theirs.
        record, signature: names of the files beside the report.
        is_recorded: the hash is going to stand in the ledger.
    """

    pictures: Mapping[str, bytes]
    sensors: tuple[str, ...]
    marked: tuple[str, ...]
    record: str
    signature: str
    is_recorded: bool


def commissioning_pdf(
    facts: PoleFacts, landmarks: Sequence[Landmark], enclosed: Enclosed, language: Language
) -> bytes:
    """The whole file."""
    # fontTools tells its own story at length.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("fpdf").setLevel(logging.ERROR)
    words = WORDS[language]
    report = head_of(facts, language)
    sheet = sheet_for(report)
    draw_head(report, sheet)
    _panorama(enclosed, words, sheet)
    pictures = dict(enclosed.pictures)
    sections: list[Section] = [
        pole_section(facts, words),
        findings_section(facts, words),
        compass_section(facts, landmarks, words, enclosed.marked),
        seeing_section(facts, words, enclosed.sensors, COVERAGE),
        rules_section(facts, words),
        certificates_section(facts, words),
        signing_section(
            words,
            record=enclosed.record,
            signature=enclosed.signature,
            is_recorded=enclosed.is_recorded,
        ),
    ]
    for section in sections:
        # Words and lines stay together, and so do a landmark's row and its picture.
        if section.name == "signing":
            sheet.room_for(4 * _SIGNATURE_MM)
        elif section.name == "compass" and enclosed.marked:
            sheet.room_for(_COMPASS_MM)
        draw_section(section, pictures, sheet)
    for who in (words.for_technician, words.for_control_room):
        _signing_line(who, words, sheet)
    return sheet.finished()


def _panorama(enclosed: Enclosed, words: Words, sheet: Sheet) -> None:
    picture = enclosed.pictures.get(PANORAMA)
    if picture is None:
        return
    sheet.skip(5)
    sheet.y_mm += sheet.picture(picture, 0, WIDTH_MM, _PANORAMA_MOST_MM, words.around) + 1.5
    sheet.running_text(f"{words.around}. {words.around_caption}", _CAPTION_PT, color=SOFT)


def _signing_line(who: str, words: Words, sheet: Sheet) -> None:
    """Name, date, signature: three lines to write on."""
    sheet.room_for(_SIGNATURE_MM)
    sheet.y_mm += 2
    sheet.running_text(who, _LINE_PT, bold=True)
    sheet.y_mm += 6.5
    columns = ((0.0, 60.0, words.name), (66.0, 40.0, words.date), (112.0, 68.0, words.signature))
    for x_mm, width_mm, _label in columns:
        left_mm = WIDTH_MM - x_mm - width_mm if sheet.is_right_to_left else x_mm
        sheet.stroke((left_mm, sheet.y_mm), (left_mm + width_mm, sheet.y_mm), SOFT, 0.25)
    sheet.y_mm += 0.8
    for x_mm, width_mm, label in columns:
        lines = sheet.lines(label, width_mm, _CAPTION_PT)
        sheet.write(lines, _CAPTION_PT, x_mm=x_mm, width_mm=width_mm, color=SOFT)
    sheet.y_mm += 5
