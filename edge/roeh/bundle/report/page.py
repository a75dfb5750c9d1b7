"""A report that is already in words: what stands on it, for HTML and PDF alike.

Texts are plain. Whatever came from outside was made harmless by `isolated`, so no text can
hold a control character or turn the direction of what follows it.
"""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from roeh.core.errors import one_line

#: Unicode's isolates (UAX 9): left to right, as its own first letter says, and their end.
_LEFT_TO_RIGHT, _OWN_DIRECTION, _END = "\u2066", "\u2068", "\u2069"


class Language(enum.Enum):
    """Of a report; the value stands in its file's name."""

    EN = "en"
    HE = "he"


Direction = Literal["ltr", "rtl"]
#: How a finding is marked, beside its words.
Mark = Literal["good", "bad", "unsure", ""]


class Cell(msgspec.Struct, frozen=True):
    """One entry of a table. `is_code`: a hash or a path, which may break anywhere."""

    text: str
    mark: Mark = ""
    is_code: bool = False


class Paragraph(msgspec.Struct, frozen=True, tag="paragraph"):
    """Running text."""

    text: str
    mark: Mark = ""


class Facts(msgspec.Struct, frozen=True, tag="facts"):
    """What is what, a line each."""

    rows: tuple[tuple[str, Cell], ...]


class Table(msgspec.Struct, frozen=True, tag="table"):
    """Rows under headings. `widths` are the columns' shares of the page."""

    caption: str
    columns: tuple[str, ...]
    widths: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


class Commands(msgspec.Struct, frozen=True, tag="commands"):
    """What a reader may type, each with what it shows."""

    steps: tuple[tuple[str, str], ...]


class Picture(msgspec.Struct, frozen=True):
    """A still: its file below `stills/`, and what it is."""

    name: str
    caption: str


class Pictures(msgspec.Struct, frozen=True, tag="pictures"):
    """Stills."""

    pictures: tuple[Picture, ...]


ShapeStyle = Literal[
    "ground", "intact", "damaged", "lost", "deleted", "unproven", "gap", "lock", "hold", "alert",
    "axis", "asked",
]  # fmt: skip


class Box(msgspec.Struct, frozen=True, tag="box"):
    """A rectangle; lengths in units of the drawing."""

    style: ShapeStyle
    x: float
    y: float
    width: float
    height: float


class Pointer(msgspec.Struct, frozen=True, tag="pointer"):
    """A triangle whose tip is at (x, y), pointing down."""

    style: ShapeStyle
    x: float
    y: float


class Rule(msgspec.Struct, frozen=True, tag="rule"):
    """A vertical line."""

    style: ShapeStyle
    x: float
    y: float
    height: float


class Label(msgspec.Struct, frozen=True, tag="label"):
    """A text whose base line is at y."""

    text: str
    x: float
    y: float
    anchor: Literal["start", "middle", "end"]


Shape = Box | Pointer | Rule | Label


class Drawing(msgspec.Struct, frozen=True, tag="drawing"):
    """The timeline. `words` says the same for whoever cannot see it."""

    width: float
    height: float
    words: str
    shapes: tuple[Shape, ...]
    legend: tuple[tuple[ShapeStyle, str], ...]


Block = Paragraph | Facts | Table | Commands | Pictures | Drawing


class Section(msgspec.Struct, frozen=True):
    """A part of the report under its heading; `name` is its anchor."""

    name: str
    heading: str
    blocks: tuple[Block, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `verdict` is one word or two; `finding` says it in a sentence."""

    language: Language
    direction: Direction
    title: str
    subtitle: str
    verdict: str
    finding: str
    mark: Mark
    sections: tuple[Section, ...]
    footer: str
    made_utc_us: int


def isolated(text: str) -> str:
    """Somebody's words, in their own direction, unable to disturb what is round them."""
    return f"{_OWN_DIRECTION}{one_line(text)}{_END}"


def code(text: object) -> str:
    """A time, number, hash or path: always left to right."""
    return f"{_LEFT_TO_RIGHT}{one_line(str(text))}{_END}"


def without_isolates(text: str) -> str:
    """For whoever reads it without a screen."""
    return text.translate({ord(mark): None for mark in (_LEFT_TO_RIGHT, _OWN_DIRECTION, _END)})
