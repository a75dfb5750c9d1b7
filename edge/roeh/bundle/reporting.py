"""The report of a bundle: stills, HTML and PDF, Hebrew and English; what could not be made is told.

Nothing here fails an export: without a picture there is a report without it, and a line that
says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from roeh.access.requests import read_approval
from roeh.bundle import layout
from roeh.bundle.choosing import segment_utc
from roeh.bundle.joining import CameraPlan
from roeh.bundle.layout import ExportDocument
from roeh.bundle.rendering import Renderer
from roeh.bundle.report import Digest, Language, ReportFacts, Still, as_html, worded
from roeh.core.config import SensorSection
from roeh.core.custody import SegmentRow
from roeh.core.errors import RenderFailed, RoehError, StorageFailed
from roeh.core.moments import utc_text
from roeh.core.rendering import (
    DEWARPED_WORDS,
    Dewarp,
    ReportOrder,
    StillOrder,
    dewarp_of,
    looks_to_deg,
    masks_of,
    segment_input,
)
from roeh.core.retrieval import Approval, ExportBegun
from roeh.core.views import ViewChoice
from roeh.ledger.segments import SegmentFiles

#: Of one report: each is decoded in a child of its own.
_MAX_STILLS: Final = 8
_STILLS_A_CAMERA: Final = 3
_SIDE_PX: Final = 960


class ReportFile(msgspec.Struct, frozen=True):
    """A file of the report, by its path in the bag."""

    path: str
    content: bytes


class Reported(msgspec.Struct, frozen=True):
    """What there is of a report; `notes`: what could not be made, a line each."""

    files: tuple[ReportFile, ...] = ()
    notes: tuple[str, ...] = ()


class Reporter(Protocol):
    """Makes the report; what goes wrong is told, not raised."""

    def report(
        self,
        document: ExportDocument,
        digest: Digest,
        begun: ExportBegun,
        plans: Sequence[CameraPlan],
    ) -> Reported:
        """All of its files."""
        ...


class RenderedReports:
    """Reports with stills and PDF from the sandboxed child.

    Of a fisheye, what was seen when an alert was raised is shown upright as well.
    """

    def __init__(
        self,
        renderer: Renderer,
        files: SegmentFiles,
        sensors: Sequence[SensorSection],
        heading_deg: float,
    ) -> None:
        self._renderer = renderer
        self._files = files
        self._masks = {sensor.name: masks_of(sensor) for sensor in sensors}
        self._views = {
            sensor.name: _upright(sensor, heading_deg)
            for sensor in sensors
            if sensor.lens.is_fisheye
        }

    def report(
        self,
        document: ExportDocument,
        digest: Digest,
        begun: ExportBegun,
        plans: Sequence[CameraPlan],
    ) -> Reported:
        """HTML and PDF in both languages, and the stills that they show."""
        notes = list(document.notes)
        pictures: dict[Still, bytes] = {}
        # A redacted bundle shows nothing that is not redacted.
        if document.kind == "full":
            for wanted in _wanted(document, digest):
                self._take(wanted, plans, pictures, notes)
                if wanted.of_alert and wanted.camera_id in self._views:
                    self._take(_view_of(wanted), plans, pictures, notes)
        facts = ReportFacts(
            export=msgspec.structs.replace(document, notes=tuple(notes)),
            digest=digest,
            requester=begun.export.requester,
            approver=begun.export.approver,
            approval=_approval(begun.export.approval_p7m),
            stills=tuple(pictures),
        )
        named = {still.name: content for still, content in pictures.items()}
        files = [ReportFile(layout.still_file(name), named[name]) for name in named]
        for language in Language:
            files += self._pages(facts, language, named, notes)
        return Reported(tuple(files), tuple(notes))

    def _pages(
        self, facts: ReportFacts, language: Language, named: dict[str, bytes], notes: list[str]
    ) -> list[ReportFile]:
        report = worded(facts, language)
        html = as_html(report).encode("utf-8")
        pages = [ReportFile(layout.report_file(language.value, "html"), html)]
        try:
            order = ReportOrder(report=msgspec.json.encode(report), stills=named)
            pdf = self._renderer.report(order)
        except RenderFailed as error:
            notes.append(f"the report as PDF ({language.value}) could not be made: {error.what}")
        else:
            pages.append(ReportFile(layout.report_file(language.value, "pdf"), pdf))
        return pages

    def _take(
        self,
        wanted: Still,
        plans: Sequence[CameraPlan],
        pictures: dict[Still, bytes],
        notes: list[str],
    ) -> None:
        row = _row_at(plans, wanted)
        if row is None:
            return
        order = StillOrder(
            segments=(segment_input(row),),
            at_utc_us=wanted.t_utc_us,
            max_side_px=_SIDE_PX,
            masks=self._masks.get(wanted.camera_id),
            view=self._views.get(wanted.camera_id) if wanted.is_view else None,
        )
        try:
            with self._files.reading(row.camera_id, row.segment) as descriptor:
                rendered = self._renderer.still(order, [descriptor])
        except (RenderFailed, StorageFailed, FileNotFoundError) as error:
            why = error.what if isinstance(error, RoehError) else "its segment is not there"
            when = utc_text(wanted.t_utc_us)
            notes.append(f"no picture of {wanted.camera_id} at {when} could be made: {why}")
            return
        if wanted.is_view and not rendered.finished.is_view:
            return  # recorded by another camera than today's: the original is there
        shown = msgspec.structs.replace(wanted, t_utc_us=rendered.finished.from_utc_us)
        pictures[shown] = rendered.content


def _wanted(document: ExportDocument, digest: Digest) -> list[Still]:
    """Of each camera the beginning, the middle and the end; and when alerts were raised."""
    request = document.request
    found: list[Still] = []
    for camera in document.cameras:
        from_us = max(request.from_utc_us, camera.from_utc_us)
        to_us = min(request.to_utc_us, camera.to_utc_us)
        if from_us >= to_us:
            continue
        for part in range(_STILLS_A_CAMERA):
            t_us = from_us + (to_us - 1 - from_us) * part // (_STILLS_A_CAMERA - 1)
            found.append(Still(f"{camera.camera_id}-{part + 1}.jpg", camera.camera_id, t_us))
        for number, alert in enumerate(digest.alerts, 1):
            if from_us <= alert.t_utc_us < to_us:
                name = f"{camera.camera_id}-alert-{number}.jpg"
                found.append(Still(name, camera.camera_id, alert.t_utc_us, of_alert=True))
    # Alerts first: they are why it was asked for.
    chosen = sorted(found, key=lambda still: not still.of_alert)[:_MAX_STILLS]
    return sorted(chosen, key=lambda still: (still.camera_id, still.t_utc_us))


def _view_of(still: Still) -> Still:
    """The same moment as a view."""
    return msgspec.structs.replace(
        still, name=f"{still.name.removesuffix('.jpg')}-view.jpg", is_view=True
    )


def _upright(sensor: SensorSection, heading_deg: float) -> Dewarp | None:
    """All round, large enough to recognise somebody at a few metres."""
    bearing_deg = looks_to_deg(sensor, heading_deg)
    choice = ViewChoice(layout="double_panorama", bearing_deg=bearing_deg)
    return dewarp_of(sensor, heading_deg, choice, DEWARPED_WORDS)


def _row_at(plans: Sequence[CameraPlan], wanted: Still) -> SegmentRow | None:
    for plan in plans:
        if plan.camera_id != wanted.camera_id:
            continue
        for row in plan.segments():
            when = segment_utc(row)
            if row.is_present and row.fragments and when.from_us <= wanted.t_utc_us < when.to_us:
                return row
    return None


def _approval(signed: bytes) -> Approval | None:
    try:
        return read_approval(signed) if signed else None
    except RoehError:
        return None
