"""What somebody wrote into a form: read into a wish, or into faults that name their fields.

Nothing is believed here: evidence judges every wish again. What is checked is what a person
can put right before they send it. Pure.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping

import msgspec

from roeh.core.retrieval import MAX_SPAN_US, Region
from roeh.retrieve.pages.times import read_instant
from roeh.retrieve.pages.views import RegionText

#: What can be wrong with a field.
FAULTS = (
    "missing",
    "too_long",
    "no_time",
    "backwards",
    "too_wide",
    "no_camera",
    "no_recipient",
    "many_recipients",
    "no_region",
    "bad_region",
    "no_file",
    "big_file",
    "no_hold",
)

#: What each field is called, by the element's id.
FIELD_WORDS = {
    "approval_file": "approval.file",
    "basis": "export.basis",
    "camera": "form.cameras",
    "case": "export.case",
    "from": "form.from",
    "hold": "release.hold",
    "reason": "form.reason",
    "recipients": "request.recipients",
    "regions": "request.regions",
    "to": "form.to",
    "trust_file": "trust.file",
}

_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_MAX_RECIPIENTS = 4
_MAX_SIDE_PX = 16384
_HOUR_US = 3600 * 1_000_000


class FieldFault(msgspec.Struct, frozen=True):
    """One thing to put right; `field` is the id of the element."""

    field: str
    key: str
    values: dict[str, str] = {}


class Form(msgspec.Struct, frozen=True):
    """What was written, as it was, and what is wrong with it."""

    written: Mapping[str, tuple[str, ...]] = {}
    errors: tuple[FieldFault, ...] = ()

    def value(self, name: str) -> str:
        """The first of a field's values; empty: none."""
        return next(iter(self.written.get(name, ())), "")

    def values(self, name: str) -> tuple[str, ...]:
        """All of them."""
        return self.written.get(name, ())

    def errors_of(self, name: str) -> tuple[FieldFault, ...]:
        """What is wrong with a field."""
        return tuple(error for error in self.errors if error.field == name)

    def wrong(self, faults: Iterable[FieldFault]) -> Form:
        """The same with faults."""
        return Form(self.written, tuple(faults))


class SpanWish(msgspec.Struct, frozen=True):
    """Cameras and a span."""

    cameras: tuple[str, ...]
    from_utc_us: int
    to_utc_us: int


class HoldWish(msgspec.Struct, frozen=True):
    """What somebody wants kept, and why."""

    span: SpanWish
    reason: str


class ReleaseWish(msgspec.Struct, frozen=True):
    """Which hold somebody wants to end, and why."""

    hold_id: str
    reason: str


class ExportWish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to take, and why."""

    span: SpanWish
    case_number: str
    legal_basis: str
    reason: str
    recipients: tuple[str, ...]
    regions: tuple[Region, ...]


class FormReader:
    """Reads one form, and gathers what is wrong with it."""

    def __init__(self, form: Form, zone: zoneinfo.ZoneInfo) -> None:
        self._form = form
        self._zone = zone
        self.faults: list[FieldFault] = []

    def hold(self, known_cameras: Iterable[str]) -> HoldWish | None:
        """None: see `faults`."""
        span, reason = self.span(known_cameras), self._line("reason", 500)
        return None if self.faults or span is None else HoldWish(span, reason)

    def release(self) -> ReleaseWish | None:
        """None: see `faults`."""
        hold_id = self._form.value("hold").strip().lower()
        if not is_uuid7(hold_id):
            self._wrong("hold", "no_hold")
        reason = self._line("reason", 500)
        return None if self.faults else ReleaseWish(hold_id, reason)

    def export(self, known_cameras: Iterable[str], *, redacted: bool) -> ExportWish | None:
        """None: see `faults`."""
        case, basis = self._line("case", 64), self._line("basis", 200)
        reason = self._line("reason", 500)
        span = self.span(known_cameras)
        regions = self._regions(span.cameras if span else ()) if redacted else ()
        recipients = self._recipients()
        if self.faults or span is None:
            return None
        return ExportWish(
            span=span,
            case_number=case,
            legal_basis=basis,
            reason=reason,
            recipients=recipients,
            regions=regions,
        )

    def span(self, known_cameras: Iterable[str]) -> SpanWish | None:
        """Cameras and times; None: see `faults`."""
        known = tuple(known_cameras)
        cameras = tuple(name for name in known if name in self._form.values("camera"))
        if not cameras:
            self._wrong("camera", "no_camera")
        times = self.times()
        return None if times is None or not cameras else SpanWish(cameras, *times)

    def times(self, longest_us: int = MAX_SPAN_US) -> tuple[int, int] | None:
        """The span alone; None: see `faults`."""
        from_us = read_instant(self._form.value("from"), self._zone, "from")
        to_us = read_instant(self._form.value("to"), self._zone, "to")
        if from_us is None:
            self._wrong("from", "no_time")
        if to_us is None:
            self._wrong("to", "no_time")
        if from_us is None or to_us is None:
            return None
        if to_us <= from_us:
            self._wrong("to", "backwards")
            return None
        if to_us - from_us > longest_us:
            self._wrong("to", "too_wide", hours=str(longest_us // _HOUR_US))
            return None
        return from_us, to_us

    def _line(self, name: str, at_most: int) -> str:
        # A text stands on one line in records and reports.
        text = " ".join(self._form.value(name).split())
        text = "".join(one for one in text if one.isprintable())
        if not text:
            self._wrong(name, "missing")
        elif len(text) > at_most:
            self._wrong(name, "too_long", n=str(at_most))
        return text

    def _recipients(self) -> tuple[str, ...]:
        written = self._form.value("recipients").split()
        for one in written:
            if not _RECIPIENT.fullmatch(one):
                self._wrong("recipients", "no_recipient")
                return ()
        if not written:
            self._wrong("recipients", "missing")
        elif len(written) > _MAX_RECIPIENTS:
            self._wrong("recipients", "many_recipients", n=str(_MAX_RECIPIENTS))
        return tuple(dict.fromkeys(written))

    def _regions(self, cameras: tuple[str, ...]) -> tuple[Region, ...]:
        regions = []
        for number, text in enumerate(regions_written(self._form), start=1):
            if text.is_empty:
                continue
            region = _region(text)
            if region is None or (cameras and region.camera_id not in cameras):
                self._wrong("regions", "bad_region", n=str(number))
            else:
                regions.append(region)
        if not regions and not self._form.value("without_regions"):
            self._wrong("regions", "no_region")
        return tuple(regions)

    def _wrong(self, field: str, key: str, **values: str) -> None:
        self.faults.append(FieldFault(field, key, values))


def is_uuid7(text: str) -> bool:
    """Whether it is an id, as evidence takes them."""
    return _UUID.fullmatch(text) is not None


def regions_written(form: Form) -> tuple[RegionText, ...]:
    """The rows of regions as they stand in a form."""
    columns = [form.values(f"region_{name}") for name in ("camera", "x0", "y0", "x1", "y1")]
    return tuple(
        RegionText(row[0], *(text.strip() for text in row[1:]))
        for row in zip(*columns, strict=False)
    )


def _region(text: RegionText) -> Region | None:
    sides = (text.x0, text.y0, text.x1, text.y1)
    if not all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        return None
    x0, y0, x1, y1 = (int(side) for side in sides)
    if x1 <= x0 or y1 <= y0 or max(x1, y1) > _MAX_SIDE_PX:
        return None
    return Region(text.camera_id, x0, y0, x1, y1)
