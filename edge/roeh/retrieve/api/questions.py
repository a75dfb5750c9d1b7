"""What can be asked of the API: parameters and bodies, parsed strictly and once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.inspect import IntType, Metadata, StructType, Type, UnionType, type_info
from multidict import MultiMapping

from roeh.core.config.section import Name
from roeh.core.retrieval import Purpose
from roeh.core.types import Sha256, TimeUs, Uuid7
from roeh.core.views import Layout
from roeh.retrieve.door.problems import malformed

#: The longest stretch of one timeline.
MAX_TIMELINE_US = 24 * 3600 * 1_000_000

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}|-1")
_QuestionT = TypeVar("_QuestionT", bound=msgspec.Struct)

After = Annotated[int, Meta(ge=-1, lt=2**53, description="the row or leaf of the last one seen")]


Leaf = Annotated[int, Meta(ge=0, lt=2**53)]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters or a body; what is not named is refused."""


class Nothing(Question, frozen=True):
    """No parameters."""


class SpanQuestion(Question, frozen=True):
    """A stretch of UTC, [from, to), of one camera or all."""

    from_utc_us: TimeUs
    to_utc_us: TimeUs
    camera: Name | None = None


class ViewQuestion(Question, frozen=True):
    """Which view of the picture: "picture" is the camera's own, every other is made from it.

    Whole degrees: the bearing of its middle from north (default: where the camera looks), of
    "ptz" how far below the horizon it looks and how wide.
    """

    layout: Layout = "picture"
    bearing_deg: Annotated[int, Meta(ge=0, le=359)] | None = None
    below_horizon_deg: Annotated[int, Meta(ge=0, le=90)] = 25
    fov_deg: Annotated[int, Meta(ge=5, le=120)] = 60


class PreviewQuestion(ViewQuestion, frozen=True, kw_only=True):
    """A stretch of UTC, at most a minute."""

    from_utc_us: TimeUs
    to_utc_us: TimeUs


class MomentQuestion(ViewQuestion, frozen=True, kw_only=True):
    """A moment of UTC; there is one after it."""

    at_utc_us: Annotated[int, Meta(ge=0, lt=2**53 - 1)]


class PageQuestion(Question, frozen=True):
    """The next page of a list."""

    after: After = -1


class CustodyQuestion(Question, frozen=True):
    """The next page of the custody log, or the newest records before a leaf."""

    after: After = -1
    before: Leaf | None = None


class AlertPath(Question, frozen=True):
    """An alert."""

    alert_id: Uuid7


class CameraPath(Question, frozen=True):
    """A camera."""

    camera: Name


class HoldPath(Question, frozen=True):
    """A hold."""

    hold_id: Uuid7


class ExportPath(Question, frozen=True):
    """An export."""

    export_id: Uuid7


class HoldBody(Question, frozen=True):
    """Keep this; the id is made by whoever asks, so that asking again is one hold."""

    hold_id: Uuid7
    cameras: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    reason: Purpose


class ReleaseBody(Question, frozen=True):
    """Why a hold should end."""

    reason: Purpose


class TakenBody(Question, frozen=True):
    """The bundle arrived whole: what its bytes hash to at the other end."""

    sha256: Sha256


def parse_texts(texts: Mapping[str, str] | MultiMapping[str], into: type[_QuestionT]) -> _QuestionT:
    """A question from the texts of an address.

    Raises:
        HttpProblem: a name that is not asked for or comes twice, or a value that cannot be.
    """
    values: dict[str, str | int] = {}
    for name, text in texts.items():
        if name in values:
            raise malformed("is there more than once", f"parameter {name[:40]!r}")
        if name in _numbers_of(into) and _NUMBER.fullmatch(text):
            values[name] = int(text)
        else:
            values[name] = text
    try:
        return msgspec.convert(values, into)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise malformed(_said(error), "the parameters") from None


def parse_body(raw: bytes, into: type[_QuestionT]) -> _QuestionT:
    """A body of JSON.

    Raises:
        HttpProblem: it is not what is asked for.
    """
    try:
        return msgspec.json.decode(raw, type=into)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise malformed(_said(error), "the body") from None


def _numbers_of(question: type[msgspec.Struct]) -> frozenset[str]:
    info = type_info(question)
    assert isinstance(info, StructType)
    return frozenset(field.encode_name for field in info.fields if _is_number(field.type))


def _is_number(kind: Type) -> bool:
    if isinstance(kind, Metadata):
        return _is_number(kind.type)
    if isinstance(kind, UnionType):
        return any(_is_number(choice) for choice in kind.types)
    return isinstance(kind, IntType)


def _said(error: Exception) -> str:
    # What was sent is not sent back.
    return f"cannot be meant ({str(error).partition(chr(10))[0][:200]})"
