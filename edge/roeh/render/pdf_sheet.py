"""Pages: text, lines, boxes and pictures at a place, from the side where reading begins.

Lengths are millimetres. `x` counts from the side where a line begins: from the right edge on
a page that is read from right to left.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont
from fpdf.image_parsing import preload_image

from roeh.bundle.report.page import Mark
from roeh.render.pdf_text import Lettering

Color = tuple[int, int, int]

MARGIN_MM = 15.0
WIDTH_MM = 210.0 - 2 * MARGIN_MM
_HEIGHT_MM = 297.0
_BOTTOM_MM = _HEIGHT_MM - 18.0
_MM_PER_POINT = 25.4 / 72
#: From one base line to the next, and from the top of a line to its base, in sizes.
_LEADING, _ASCENT = 1.32, 0.98

INK: Color = (22, 25, 29)
SOFT: Color = (82, 90, 99)
LINE: Color = (190, 198, 206)
MARK_COLORS: dict[Mark, Color] = {
    "good": (23, 102, 47),
    "bad": (156, 19, 19),
    "unsure": (122, 75, 0),
    "": INK,
}
_FONTS = Path(__file__).parent / "fonts"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Sheet:
    """A document that is written from top to bottom.

    Args:
        is_right_to_left: how it is read.
        footer: what stands at the foot of each page, beside its number.
    """

    def __init__(self, *, is_right_to_left: bool, footer: str) -> None:
        self.y_mm = MARGIN_MM
        self.is_right_to_left = is_right_to_left
        self._footer = footer
        self._pdf = FPDF(format="A4")
        self._pdf.set_auto_page_break(False)
        self._lettering: dict[str, Lettering] = {}
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self._pdf.add_font("sans", style, _FONTS / name)
            font = self._pdf.fonts[f"sans{style}"]
            assert isinstance(font, TTFFont)
            self._lettering[style] = Lettering(font.cw, is_right_to_left=is_right_to_left)

    def describe(self, *, title: str, language: str, made_utc_us: int) -> None:
        """What a reader's program shows of the document."""
        self._pdf.set_title(title)
        self._pdf.set_lang(language)
        self._pdf.set_producer("roeh")
        self._pdf.set_creation_date(_EPOCH + timedelta(microseconds=made_utc_us))

    def begin(self) -> None:
        """The first page."""
        self._add_page()

    def room_for(self, height_mm: float) -> bool:
        """Whether so much fits on this page; otherwise the next one is begun."""
        if self.y_mm + height_mm <= _BOTTOM_MM:
            return True
        self._add_page()
        return False

    def skip(self, height_mm: float) -> None:
        """An empty space, but not at the top of a page."""
        if self.y_mm > MARGIN_MM:
            self.y_mm += height_mm

    def lines(
        self,
        text: str,
        width_mm: float,
        size_pt: float,
        *,
        bold: bool = False,
        anywhere: bool = False,
    ) -> list[str]:
        """A text as it is broken for this width, each line in visual order."""
        return self._lettering["B" if bold else ""].lines(
            text, width_mm, size_pt, anywhere=anywhere
        )

    def write(
        self,
        lines: list[str],
        size_pt: float,
        *,
        x_mm: float = 0.0,
        width_mm: float = WIDTH_MM,
        color: Color = INK,
        bold: bool = False,
        left_to_right: bool = False,
    ) -> float:
        """Lines from the current place on, which stays; how high they are."""
        y_mm = self.y_mm
        for line in lines:
            self._line(
                line,
                y_mm,
                size_pt,
                x_mm=x_mm,
                width_mm=width_mm,
                color=color,
                bold=bold,
                left_to_right=left_to_right,
            )
            y_mm += line_mm(size_pt)
        return len(lines) * line_mm(size_pt)

    def running_text(
        self,
        text: str,
        size_pt: float,
        *,
        color: Color = INK,
        bold: bool = False,
        x_mm: float = 0.0,
        left_to_right: bool = False,
        anywhere: bool = False,
    ) -> None:
        """A paragraph over as many pages as it takes."""
        width_mm = WIDTH_MM - x_mm
        for line in self.lines(text, width_mm, size_pt, bold=bold, anywhere=anywhere):
            self.room_for(line_mm(size_pt))
            self.y_mm += self.write(
                [line],
                size_pt,
                x_mm=x_mm,
                width_mm=width_mm,
                color=color,
                bold=bold,
                left_to_right=left_to_right,
            )

    def rule(self, color: Color = LINE, width_mm: float = 0.2) -> None:
        """A line across the page at the current place."""
        self._pdf.set_draw_color(*color)
        self._pdf.set_line_width(width_mm)
        self._pdf.line(MARGIN_MM, self.y_mm, MARGIN_MM + WIDTH_MM, self.y_mm)

    def box(
        self,
        left_mm: float,
        top_mm: float,
        width_mm: float,
        height_mm: float,
        *,
        fill: Color | None = None,
        edge: Color | None = None,
        edge_mm: float = 0.2,
    ) -> None:
        """A rectangle; `left_mm` from the page's left margin, whichever way it is read."""
        style = ("D" if edge else "") + ("F" if fill else "")
        if fill:
            self._pdf.set_fill_color(*fill)
        if edge:
            self._pdf.set_draw_color(*edge)
            self._pdf.set_line_width(edge_mm)
        self._pdf.rect(MARGIN_MM + left_mm, top_mm, width_mm, height_mm, style=style)

    def stroke(
        self, from_mm: tuple[float, float], to_mm: tuple[float, float], color: Color, width: float
    ) -> None:
        """A line; both ends from the left margin and the top of the page."""
        self._pdf.set_draw_color(*color)
        self._pdf.set_line_width(width)
        self._pdf.line(MARGIN_MM + from_mm[0], from_mm[1], MARGIN_MM + to_mm[0], to_mm[1])

    def pointer(self, x_mm: float, y_mm: float, size_mm: float, color: Color) -> None:
        """A triangle that points down at a place."""
        self._pdf.set_fill_color(*color)
        x = MARGIN_MM + x_mm
        corners = [(x, y_mm), (x - size_mm / 2, y_mm - size_mm), (x + size_mm / 2, y_mm - size_mm)]
        self._pdf.polygon(corners, style="F")

    def label(self, text: str, x_mm: float, y_mm: float, size_pt: float, anchor: str) -> None:
        """One line with its base at a place, counted from the left margin."""
        lettering = self._lettering[""]
        visual = lettering.visual(text)
        width_mm = lettering.width_mm(visual, size_pt)
        shift = {"start": 0.0, "middle": width_mm / 2, "end": width_mm}[anchor]
        self._pdf.set_font("sans", "", size_pt)
        self._pdf.set_text_color(*INK)
        self._pdf.text(MARGIN_MM + x_mm - shift, y_mm, visual)

    def width_mm(self, text: str, size_pt: float) -> float:
        """How wide one line is."""
        return self._lettering[""].width_mm(text, size_pt)

    def picture(
        self, jpeg: bytes, x_mm: float, width_mm: float, most_mm: float, words: str
    ) -> float:
        """A picture at the current place; how high it is, 0 when it is none."""
        try:
            _, _, info = preload_image(self._pdf.image_cache, io.BytesIO(jpeg))
        except Exception:  # noqa: BLE001 - the page is worth more than one still
            return 0.0
        height_mm = width_mm * info.height / max(1, info.width)
        if height_mm > most_mm:
            width_mm, height_mm = width_mm * most_mm / height_mm, most_mm
        left = MARGIN_MM + self._left(x_mm, width_mm)
        self._pdf.image(io.BytesIO(jpeg), left, self.y_mm, width_mm, height_mm, alt_text=words)
        return height_mm

    def finished(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _left(self, x_mm: float, width_mm: float) -> float:
        return WIDTH_MM - x_mm - width_mm if self.is_right_to_left else x_mm

    def _line(
        self,
        visual: str,
        y_mm: float,
        size_pt: float,
        *,
        x_mm: float,
        width_mm: float,
        color: Color,
        bold: bool,
        left_to_right: bool,
    ) -> None:
        style = "B" if bold else ""
        left = MARGIN_MM + self._left(x_mm, width_mm)
        if self.is_right_to_left and not left_to_right:
            left += width_mm - self._lettering[style].width_mm(visual, size_pt)
        self._pdf.set_font("sans", style, size_pt)
        self._pdf.set_text_color(*color)
        self._pdf.text(left, y_mm + size_pt * _MM_PER_POINT * _ASCENT, visual)

    def _add_page(self) -> None:
        self._pdf.add_page()
        size_pt = 7.0
        number = str(self._pdf.page_no())
        footer = self.lines(self._footer, WIDTH_MM - 20, size_pt)[:1]
        self.y_mm = _HEIGHT_MM - 12.0
        self.write(footer, size_pt, width_mm=WIDTH_MM - 20, color=SOFT)
        number_mm = self.width_mm(number, size_pt)
        self.write([number], size_pt, x_mm=WIDTH_MM - number_mm, width_mm=number_mm, color=SOFT)
        self.y_mm = MARGIN_MM


def line_mm(size_pt: float) -> float:
    """From one line to the next."""
    return size_pt * _MM_PER_POINT * _LEADING
