"""The scoreboard says what was measured, and names what was not."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from roeh.bench.live import LiveFigures
from roeh.bench.motion_peer import PeerFigures
from roeh.bench.people_found import LABELS, LabelledFrame, Labels, _Found, average_precision
from roeh.bench.rule_quality import Cell, Share, read_cells, write_cells
from roeh.bench.scoreboard import ClipCost, Scoreboard, page, plot
from roeh.vision.stages import STAGES

FRAME = LabelledFrame(
    number=0, people=((0, 0, 10, 20), (50, 0, 60, 20)), unclear=((90, 0, 99, 20),)
)


def found(*boxes):
    rows = np.asarray([box for box, _ in boxes], float).reshape(-1, 4)
    return _Found(rows, np.asarray([confidence for _, confidence in boxes]))


def test_average_precision_counts_everybody_once():
    both = ((0, 0, 10, 20), 0.9), ((50, 1, 60, 20), 0.8)
    assert average_precision([(FRAME, found(*both))]) == pytest.approx(1.0)
    assert average_precision([(FRAME, found(both[0]))]) == pytest.approx(0.5)
    # What is unclear is nobody's fault; a second box on one person is wrong.
    assert average_precision([(FRAME, found(*both, ((90, 0, 99, 20), 0.99)))]) == 1.0
    twice = found(both[0], ((0, 0, 10, 19), 0.85), both[1])
    assert average_precision([(FRAME, twice)]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_labels_are_boxes_within_the_picture():
    labels = msgspec.json.decode(LABELS.read_bytes(), type=Labels)
    boxes = [box for frame in labels.frames for box in (*frame.people, *frame.unclear)]
    assert len(boxes) > 60
    assert all(0 <= x0 < x1 <= 768 and 0 <= y0 < y1 <= 576 for x0, y0, x1, y1 in boxes)


def test_what_make_quality_leaves_is_what_the_scoreboard_reads(tmp_path):
    cells = [Cell("zone", "day", Share(9, 10), Share(9, 9), Share(9, 9), 0.2, 0.4)]
    write_cells(cells, tmp_path / "rules.json")
    assert read_cells(tmp_path / "rules.json") == tuple(cells)
    assert read_cells(tmp_path / "none.json") == ()


def board(peer):
    live = LiveFigures(
        cpu_s_per_s=0.2,
        decode_s_per_s=0.05,
        offer_s_per_s=0.01,
        stages_s_per_s=dict.fromkeys(STAGES, 0.01),
        inferences_per_s=5.0,
        pss_bytes=300_000_000,
        first_frame_s=1.0,
        delays_ms=(),
    )
    cost = ClipCost("busy", live, 0.004, 0.05, 0.1, peer)
    return Scoreboard(
        machine="a board", rules=(), found=None, positions={}, costs=(cost,), under_quota=None
    )


def test_the_page_has_the_peer_where_there_is_one_and_says_so_where_not():
    with_peer = "\n".join(page(board(PeerFigures("motion Version 4.5.1", 0.068, 91_000_000))))
    assert "| motion Version 4.5.1: all | 0.0680 |" in with_peer
    without = "\n".join(page(board(None)))
    assert "was not installed" in without
    assert "`make quality` was not run" in without
    assert "| all / floor | 1.33 |" in without


def test_the_picture_is_well_formed():
    drawn = ElementTree.fromstring(plot(board(None).costs))
    assert drawn.tag.endswith("svg")
    assert sum(one.tag.endswith("rect") for one in drawn) > 5
