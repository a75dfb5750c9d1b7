"""What a fisheye saw when an alert was raised is in the report as recorded, and upright."""

import cv2
import numpy as np
import pytest

from roeh.bundle.joining import CameraPlan
from roeh.bundle.rendering import Renderer
from roeh.bundle.reporting import RenderedReports
from roeh.bundle.span_rows import CameraRows
from roeh.core.config import ComposedSource, LensSection, SensorSection
from roeh.core.custody import FragmentRow, SegmentRow
from roeh.core.retrieval import ExportBegun, ExportRow
from roeh.ledger.segments import SegmentFiles
from tests.export_facts import START_US, facts
from tests.recorded_segments import without_loss

HOUR_US = 3_600_000_000


def fisheye():
    lens = LensSection(width_px=480, height_px=480, fov_deg=185.0)
    return SensorSection(name="north", source=ComposedSource(), lens=lens)


@pytest.fixture
def recorded(tmp_path):
    """A second of a fisheye's pictures that stands for the whole span, and its plan."""
    content, index = without_loss([np.full((240, 240, 3), 120, np.uint8)] * 10)
    files = SegmentFiles(tmp_path)
    begin = index.fragments[0].offset_bytes
    segment = files.create("north", 0, content[:begin])
    segment.append(content[begin:])
    segment.close()
    fragments = tuple(
        FragmentRow(one.offset_bytes, one.size_bytes, "0" * 64, number, START_US, START_US + 1)
        for number, one in enumerate(index.fragments)
    )
    row = SegmentRow(
        row=0, camera_id="north", segment=0, path="north/0", boot_id="b",
        t_first_mono_us=START_US, t_end_mono_us=START_US + HOUR_US, t_utc_us=START_US,
        utc_error_us=0, synchronised=True, size_bytes=len(content), end_reason="full", leaf=1,
        is_present=True, locked=False, held=False, fragments=fragments,
    )  # fmt: skip
    yield files, CameraPlan("north", CameraRows("north", (row,)), (), 0)
    files.close()


def report_of(recorded, section):
    files, plan = recorded
    known = facts()
    export = ExportRow(
        row=1, id=known.export.export_id, state="building", request=b"", request_sha256="0" * 64,
        requester=known.requester, approver=known.approver, hold_id="", t_utc_us=START_US,
    )  # fmt: skip
    begun = ExportBegun(export, "", 0, "", 0, (), (), b"", "", {}, {})
    reports = RenderedReports(Renderer(), files, (section,), 0.0)
    return reports.report(known.export, known.digest, begun, (plan,))


def test_an_alert_of_a_fisheye_is_shown_as_recorded_and_as_a_view_that_says_so(recorded):
    report = report_of(recorded, fisheye())
    shown = {file.path.rpartition("/")[2]: file.content for file in report.files}
    original, view = (
        cv2.imdecode(np.frombuffer(shown[name], np.uint8), cv2.IMREAD_COLOR)
        for name in ("north-alert-1.jpg", "north-alert-1-view.jpg")
    )
    assert original.shape == (240, 240, 3)
    assert view.shape[1] == 960
    assert [name for name in shown if name.endswith("-view.jpg")] == ["north-alert-1-view.jpg"]
    assert b"view made from the recording, not the original" in shown["report.en.html"]
