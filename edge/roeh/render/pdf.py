"""A report as PDF: the same page as the HTML, drawn with nothing left to be loaded."""

from __future__ import annotations

import io
import logging

import msgspec
from PIL import Image

from roeh.bundle.report.page import (
    Cell,
    Commands,
    Drawing,
    Facts,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
)
from roeh.core.rendering import Finished, ReportOrder
from roeh.render.answers import Answers
from roeh.render.pdf_drawing import draw_timeline, timeline_mm
from roeh.render.pdf_sheet import INK, LINE, MARK_COLORS, SOFT, WIDTH_MM, Sheet, line_mm

_TITLE_PT, _HEADING_PT, _TEXT_PT, _FACT_PT, _CELL_PT, _CODE_PT = 17.0, 12.0, 9.0, 8.5, 7.0, 6.0
_VERDICT_PT = 17.0
_NAME_MM = 42.0
_PAD_MM = 0.9
_STILLS_A_ROW, _STILL_GAP_MM, _STILL_MOST_MM = 2, 5.0, 66.0
_STILLS_MM = _STILL_MOST_MM + 12.0
_HEADING_MM = 10.0
_COMMAND_PT = 7.5


class PreparedPdf:
    """A report that is ready to be drawn: fonts are loaded, and everything was tried once.

    Args:
        order: the report and its stills.
    """

    def __init__(self, order: ReportOrder) -> None:
        # fpdf2 and fontTools tell their own story at length.
        logging.disable(logging.CRITICAL)
        self._report = msgspec.json.decode(order.report, type=Report)
        self._stills = order.stills
        _try_out()
        self._sheet = sheet_for(self._report)

    def give(self, answers: Answers) -> None:
        """Draw it and hand it over."""
        _draw(self._report, self._stills, self._sheet)
        answers.give(self._sheet.finished())
        answers.finish(Finished())


def sheet_for(report: Report) -> Sheet:
    """An empty document for a report, in its direction and with its footer."""
    sheet = Sheet(is_right_to_left=report.direction == "rtl", footer=report.footer)
    sheet.describe(
        title=report.title, language=report.language.value, made_utc_us=report.made_utc_us
    )
    return sheet


def _try_out() -> None:
    """Draw a page with a picture: whatever loads late is loaded then."""
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, "JPEG")
    sheet = Sheet(is_right_to_left=True, footer="")
    sheet.describe(title="", language="en", made_utc_us=0)
    sheet.begin()
    for bold in (False, True):
        text = "abc \u05d0\u05d1 \u2068(12)\u2069 \u2026"
        sheet.write(sheet.lines(text, WIDTH_MM, 9), 9, bold=bold)
    sheet.picture(small.getvalue(), 0, 10, 10, "")
    sheet.pointer(1, 1, 1, INK)
    sheet.finished()


def _draw(report: Report, stills: dict[str, bytes], sheet: Sheet) -> None:
    draw_head(report, sheet)
    for section in report.sections:
        draw_section(section, stills, sheet)


def draw_head(report: Report, sheet: Sheet) -> None:
    """The first page down to the verdict."""
    sheet.begin()
    sheet.running_text(report.title, _TITLE_PT, bold=True)
    sheet.running_text(report.subtitle, _TEXT_PT, color=SOFT)
    sheet.skip(3)
    _draw_verdict(report, sheet)


def _draw_verdict(report: Report, sheet: Sheet) -> None:
    color = MARK_COLORS[report.mark]
    inner_mm = WIDTH_MM - 12
    word = sheet.lines(report.verdict, inner_mm, _VERDICT_PT, bold=True)
    finding = sheet.lines(report.finding, inner_mm, _TEXT_PT)
    height_mm = len(word) * line_mm(_VERDICT_PT) + len(finding) * line_mm(_TEXT_PT) + 5
    top_mm = sheet.y_mm
    sheet.box(0, top_mm, WIDTH_MM, height_mm, edge=color, edge_mm=0.5)
    bar_left = WIDTH_MM - 2.5 if sheet.is_right_to_left else 0
    sheet.box(bar_left, top_mm, 2.5, height_mm, fill=color)
    sheet.y_mm += 2
    sheet.y_mm += sheet.write(word, _VERDICT_PT, x_mm=7, width_mm=inner_mm, color=color, bold=True)
    sheet.write(finding, _TEXT_PT, x_mm=7, width_mm=inner_mm)
    sheet.y_mm = top_mm + height_mm


def draw_section(section: Section, stills: dict[str, bytes], sheet: Sheet) -> None:
    """A heading and what stands under it, over as many pages as it takes."""
    sheet.skip(6)
    sheet.room_for(_HEADING_MM + _first_mm(section))
    sheet.running_text(section.heading, _HEADING_PT, bold=True)
    sheet.y_mm += 0.6
    sheet.rule(width_mm=0.4)
    sheet.y_mm += 1.8
    for block in section.blocks:
        match block:
            case Paragraph():
                color = MARK_COLORS[block.mark]
                sheet.running_text(block.text, _TEXT_PT, color=color, bold=block.mark == "bad")
                sheet.y_mm += 1
            case Facts():
                _draw_facts(block, sheet)
            case Table():
                _draw_table(block, sheet)
            case Commands():
                _draw_commands(block, sheet)
            case Pictures():
                _draw_stills(block.pictures, stills, sheet)
            case Drawing():
                draw_timeline(block, sheet)


def _first_mm(section: Section) -> float:
    """What a heading is not to be parted from."""
    match section.blocks[:1]:
        case (Drawing() as drawing,):
            return timeline_mm(drawing)
        case (Pictures(),):
            return _STILLS_MM
        case _:
            return 15.0


def _draw_facts(facts: Facts, sheet: Sheet) -> None:
    value_mm = WIDTH_MM - _NAME_MM - 2
    for name, cell in facts.rows:
        names = sheet.lines(name, _NAME_MM, _FACT_PT)
        values = sheet.lines(cell.text, value_mm, _FACT_PT, anywhere=cell.is_code)
        height_mm = max(len(names), len(values)) * line_mm(_FACT_PT) + 2 * _PAD_MM
        sheet.room_for(height_mm)
        sheet.y_mm += _PAD_MM
        sheet.write(names, _FACT_PT, width_mm=_NAME_MM, color=SOFT)
        sheet.write(
            values,
            _FACT_PT,
            x_mm=_NAME_MM + 2,
            width_mm=value_mm,
            color=MARK_COLORS[cell.mark],
        )
        sheet.y_mm += height_mm - _PAD_MM
        sheet.rule()
    sheet.y_mm += 2


def _draw_table(table: Table, sheet: Sheet) -> None:
    if table.caption:
        sheet.room_for(20)
        sheet.y_mm += 1
        sheet.running_text(table.caption, _FACT_PT, bold=True)
        sheet.y_mm += 0.6
    unit_mm = WIDTH_MM / sum(table.widths)
    widths_mm = [share * unit_mm for share in table.widths]
    heading = tuple(Cell(column) for column in table.columns)
    heading_lines = _row_lines(heading, widths_mm, sheet, is_heading=True)
    if table.rows:
        # A heading is not left alone at the foot of a page.
        first = _row_lines(table.rows[0], widths_mm, sheet, is_heading=False)
        sheet.room_for(_row_mm(heading_lines) + _row_mm(first))
    _draw_row(heading, heading_lines, widths_mm, sheet, is_heading=True)
    for row in table.rows:
        lines = _row_lines(row, widths_mm, sheet, is_heading=False)
        if not sheet.room_for(_row_mm(lines)):
            _draw_row(heading, heading_lines, widths_mm, sheet, is_heading=True)
        _draw_row(row, lines, widths_mm, sheet, is_heading=False)
    sheet.y_mm += 1.5
    if table.note:
        sheet.running_text(table.note, _FACT_PT, color=SOFT)
        sheet.y_mm += 1


_RowLines = list[list[str]]


def _row_lines(
    row: tuple[Cell, ...], widths_mm: list[float], sheet: Sheet, *, is_heading: bool
) -> _RowLines:
    """The cells' lines."""
    return [
        sheet.lines(
            cell.text,
            width_mm - 2,
            _CODE_PT if cell.is_code else _CELL_PT,
            bold=is_heading or cell.mark == "bad",
            anywhere=cell.is_code,
        )
        for cell, width_mm in zip(row, widths_mm, strict=True)
    ]


def _row_mm(lines: _RowLines) -> float:
    return max(map(len, lines), default=1) * line_mm(_CELL_PT) + 2 * _PAD_MM


def _draw_row(
    row: tuple[Cell, ...],
    lines: _RowLines,
    widths_mm: list[float],
    sheet: Sheet,
    *,
    is_heading: bool,
) -> None:
    x_mm = 0.0
    top_mm = sheet.y_mm
    sheet.y_mm += _PAD_MM
    for cell, cell_lines, width_mm in zip(row, lines, widths_mm, strict=True):
        sheet.write(
            cell_lines,
            _CODE_PT if cell.is_code else _CELL_PT,
            x_mm=x_mm,
            width_mm=width_mm - 2,
            color=SOFT if is_heading else MARK_COLORS[cell.mark],
            bold=is_heading or cell.mark == "bad",
        )
        x_mm += width_mm
    sheet.y_mm = top_mm + _row_mm(lines)
    sheet.rule(SOFT if is_heading else LINE)


def _draw_commands(commands: Commands, sheet: Sheet) -> None:
    for words, command in commands.steps:
        sheet.room_for(16)
        sheet.running_text(words, _TEXT_PT)
        sheet.y_mm += 0.8
        lines = sheet.lines(f"\u2066{command}\u2069", WIDTH_MM - 6, _COMMAND_PT)
        height_mm = len(lines) * line_mm(_COMMAND_PT) + 3
        sheet.room_for(height_mm)
        sheet.box(0, sheet.y_mm, WIDTH_MM, height_mm, fill=(238, 241, 244))
        sheet.y_mm += 1.5
        sheet.write(lines, _COMMAND_PT, x_mm=3, width_mm=WIDTH_MM - 6, left_to_right=True)
        sheet.y_mm += height_mm + 0.8


def _draw_stills(pictures: tuple[Picture, ...], stills: dict[str, bytes], sheet: Sheet) -> None:
    width_mm = (WIDTH_MM - _STILL_GAP_MM * (_STILLS_A_ROW - 1)) / _STILLS_A_ROW
    there = [picture for picture in pictures if picture.name in stills]
    for first in range(0, len(there), _STILLS_A_ROW):
        sheet.room_for(_STILLS_MM)
        most_mm = 0.0
        top_mm = sheet.y_mm
        for place, picture in enumerate(there[first : first + _STILLS_A_ROW]):
            sheet.y_mm = top_mm
            x_mm = place * (width_mm + _STILL_GAP_MM)
            height_mm = sheet.picture(
                stills[picture.name], x_mm, width_mm, _STILL_MOST_MM, picture.caption
            )
            sheet.y_mm = top_mm + height_mm + 1
            lines = sheet.lines(picture.caption, width_mm, _CELL_PT)
            written_mm = sheet.write(lines, _CELL_PT, x_mm=x_mm, width_mm=width_mm, color=SOFT)
            most_mm = max(most_mm, height_mm + 1 + written_mm)
        sheet.y_mm = top_mm + most_mm + 3
