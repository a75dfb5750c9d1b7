"""The timeline's shapes as lines of a PDF, told apart without colour too."""

from __future__ import annotations

from roeh.bundle.report.page import Box, Drawing, Label, Pointer, Rule, ShapeStyle
from roeh.render.pdf_sheet import INK, LINE, SOFT, WIDTH_MM, Color, Sheet, line_mm

_LABEL_PT, _LEGEND_PT = 6.5, 7.0
_BAD: Color = (156, 19, 19)
_FILLS: dict[ShapeStyle, Color] = {
    "ground": (238, 241, 244),
    "asked": (246, 248, 251),
    "intact": (74, 122, 184),
    "damaged": _BAD,
    "lost": (255, 255, 255),
    "deleted": (255, 255, 255),
    "unproven": (196, 140, 40),
    "gap": INK,
    "lock": (181, 101, 29),
    "hold": (91, 63, 158),
    "alert": _BAD,
    "axis": LINE,
}
_EDGES: dict[ShapeStyle, Color] = {"lost": _BAD, "deleted": SOFT, "asked": LINE}
_HATCHED = frozenset({"lost"})
_HATCH_MM = 1.4
#: Left, top, width, height in millimetres.
_Place = tuple[float, float, float, float]


def draw_timeline(drawing: Drawing, sheet: Sheet) -> None:
    """The drawing over the page's width, its legend below."""
    scale = WIDTH_MM / drawing.width
    sheet.room_for(timeline_mm(drawing))
    top_mm = sheet.y_mm
    for shape in drawing.shapes:
        match shape:
            case Box():
                place = (
                    shape.x * scale,
                    top_mm + shape.y * scale,
                    shape.width * scale,
                    shape.height * scale,
                )
                _box(sheet, shape.style, place)
            case Pointer():
                tip_mm = top_mm + shape.y * scale
                sheet.pointer(shape.x * scale, tip_mm, 2.2, _FILLS[shape.style])
            case Rule():
                x_mm, y_mm = shape.x * scale, top_mm + shape.y * scale
                sheet.stroke((x_mm, y_mm), (x_mm, y_mm + shape.height * scale), LINE, 0.15)
            case Label():
                at_mm = top_mm + shape.y * scale
                sheet.label(shape.text, shape.x * scale, at_mm, _LABEL_PT, shape.anchor)
    sheet.y_mm = top_mm + drawing.height * scale + 1
    _legend(drawing, sheet)


def timeline_mm(drawing: Drawing) -> float:
    """How high it is with its legend."""
    return drawing.height * WIDTH_MM / drawing.width + 15


def _legend(drawing: Drawing, sheet: Sheet) -> None:
    x_mm, sample_mm, height_mm = 0.0, 7.0, 2.6
    for style, name in drawing.legend:
        words = sheet.lines(name, WIDTH_MM, _LEGEND_PT)
        width_mm = sheet.width_mm(words[0], _LEGEND_PT)
        if x_mm and x_mm + sample_mm + 2 + width_mm > WIDTH_MM:
            x_mm = 0.0
            sheet.y_mm += line_mm(_LEGEND_PT) + 1
        left_mm = WIDTH_MM - x_mm - sample_mm if sheet.is_right_to_left else x_mm
        if style == "alert":
            sheet.pointer(left_mm + sample_mm / 2, sheet.y_mm + height_mm, 2.4, _FILLS[style])
        elif style in {"gap", "lock", "hold"}:
            _box(sheet, style, (left_mm, sheet.y_mm + 1, sample_mm, 0.8))
        else:
            _box(sheet, style, (left_mm, sheet.y_mm + 0.2, sample_mm, height_mm))
        sheet.write(words, _LEGEND_PT, x_mm=x_mm + sample_mm + 2, width_mm=width_mm + 0.5)
        x_mm += sample_mm + width_mm + 7
    sheet.y_mm += line_mm(_LEGEND_PT) + 2


def _box(sheet: Sheet, style: ShapeStyle, place: _Place) -> None:
    left, top, width, height = place
    sheet.box(left, top, width, height, fill=_FILLS[style], edge=_EDGES.get(style), edge_mm=0.15)
    if style not in _HATCHED:
        return
    bottom = top + height
    x = left - height + _HATCH_MM
    while x < left + width:
        start, end = max(x, left), min(x + height, left + width)
        sheet.stroke((start, bottom - (start - x)), (end, bottom - (end - x)), _BAD, 0.2)
        x += _HATCH_MM
