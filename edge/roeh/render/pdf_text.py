"""Lines of text for a PDF: measured, broken, and put into the order in which they are seen.

Hebrew is written without shaping; its order is UAX 9, as fpdf2 implements it. Lines are
broken in the order in which they are read, then each is turned by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

_ISOLATES = {"\u2066", "\u2067", "\u2068"}
_POP = "\u2069"
_MARKS = {ord(mark): None for mark in (*_ISOLATES, _POP, "\u200e", "\u200f")}
_FIRST_RIGHT_TO_LEFT = "\u0590"
_PAIRS = ("()", "[]", "{}", "<>", "\u00ab\u00bb", "\u2039\u203a")
_MIRRORED = {pair[end]: pair[1 - end] for pair in _PAIRS for end in (0, 1)}
_MM_PER_POINT = 25.4 / 72


class _WithoutMarks(dict[int, float]):
    """Widths of characters, asked of the font once each; marks have none."""

    def __init__(self, widths: Mapping[int, float]) -> None:
        super().__init__(dict.fromkeys(_MARKS, 0.0))
        self._of_font = widths

    def __missing__(self, codepoint: int) -> float:
        self[codepoint] = width = self._of_font[codepoint]
        return width


class Lettering:
    """One font in one direction.

    Args:
        widths: of each character in thousandths of the font's size.
        is_right_to_left: of the page.
    """

    def __init__(self, widths: Mapping[int, float], *, is_right_to_left: bool) -> None:
        self._widths = _WithoutMarks(widths)
        # Tables say the same few things over and over.
        self._seen: dict[str, str] = {}
        self._base = TextDirection.RTL if is_right_to_left else TextDirection.LTR

    def width_mm(self, text: str, size_pt: float) -> float:
        """How wide it is; marks of direction have no width."""
        widths = self._widths
        thousandths = sum(widths[ord(character)] for character in text)
        return thousandths / 1000 * size_pt * _MM_PER_POINT

    def lines(
        self, text: str, width_mm: float, size_pt: float, *, anywhere: bool = False
    ) -> list[str]:
        """Broken between words, or inside them where they are too long; in visual order."""
        if self.width_mm(text, size_pt) <= width_mm:
            return [self.visual(text)]
        lines: list[str] = []
        line, used_mm = "", 0.0
        for piece in text if anywhere else _words(text):
            piece_mm = self.width_mm(piece, size_pt)
            if line and used_mm + self.width_mm(piece.rstrip(" "), size_pt) > width_mm:
                lines.append(line)
                line, used_mm = _still_open(line), 0.0
            if piece_mm <= width_mm:
                line, used_mm = line + piece, used_mm + piece_mm
                continue
            for character in piece:
                character_mm = self.width_mm(character, size_pt)
                if used_mm and used_mm + character_mm > width_mm:
                    lines.append(line)
                    line, used_mm = _still_open(line), 0.0
                line, used_mm = line + character, used_mm + character_mm
        lines.append(line)
        return [self.visual(line) for line in lines]

    def visual(self, text: str) -> str:
        """In the order in which it is seen from left to right."""
        text = text.rstrip(" ")
        bare = text.translate(_MARKS)
        if max(bare, default="") < _FIRST_RIGHT_TO_LEFT and (
            self._base is TextDirection.LTR or _is_one_isolate(text)
        ):
            return bare
        if text not in self._seen:
            self._seen[text] = self._reordered(text)
        return self._seen[text]

    def _reordered(self, text: str) -> str:
        ordered = BidiParagraph(text=text, base_direction=self._base).get_reordered_characters()
        seen = "".join(
            # Rule L4 of UAX 9: what opens still opens when it is read from the right.
            _MIRRORED.get(found.character, found.character)
            if found.embedding_level % 2
            else found.character
            for found in ordered
        )
        return seen.translate(_MARKS)


def _is_one_isolate(text: str) -> bool:
    """Whether nothing stands outside one isolate: then the page's direction does not matter."""
    inside = text[1:].removesuffix(_POP)
    return text[:1] in _ISOLATES and not _ISOLATES.intersection(inside) and _POP not in inside


def _words(text: str) -> Iterator[str]:
    """Words, each with the blanks behind it."""
    word = ""
    for character in text:
        if word.endswith(" ") and character != " ":
            yield word
            word = ""
        word += character
    if word:
        yield word


def _still_open(line: str) -> str:
    """The isolates that a line opened and did not close: the next one opens them again."""
    opened: list[str] = []
    for character in line:
        if character in _ISOLATES:
            opened.append(character)
        elif character == _POP and opened:
            opened.pop()
    return "".join(opened)
