"""The scoreboard: quality beside cost, as a page and a picture of the documentation."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.bench.half_core import UnderQuota
from roeh.bench.live import LiveFigures
from roeh.bench.motion_peer import PeerFigures
from roeh.bench.people_found import FoundFigures
from roeh.bench.positions import PositionFigures
from roeh.bench.rule_quality import Cell, cell_rows
from roeh.vision.stages import STAGES

PAGE = Path("edge/design/scoreboard.md")
PLOT = Path("edge/design/scoreboard.svg")

_BAR_PX, _ROW_PX, _LABEL_PX, _SCALE_PX = 16, 24, 190, 420
_PARTS = (
    ("decode", "#4c72b0"), ("inference", "#dd8452"), ("remap, convert", "#55a868"),
    ("motion", "#8172b3"), ("the rest of detection", "#937860"), ("everything else", "#b0b0b0"),
    ("other program", "#606060"),
)  # fmt: skip


class ClipCost(msgspec.Struct, frozen=True):
    """One clip through the whole node, its floor, and the peer on the same clip.

    Attributes:
        live: while nothing is recorded.
        recording_s_per_s: what recording adds.
        peer: None where Motion is not installed.
    """

    clip: str
    live: LiveFigures
    recording_s_per_s: float
    floor_decode_s_per_s: float
    floor_inference_s_per_s: float
    peer: PeerFigures | None

    @property
    def floor_s_per_s(self) -> float:
        """Decode plus the inferences that the schedule asked for."""
        return self.floor_decode_s_per_s + self.floor_inference_s_per_s


class Scoreboard(msgspec.Struct, frozen=True):
    """All that the page says; what was not measured is empty or None.

    Attributes:
        machine: that it was measured on, and how busy that was otherwise.
    """

    machine: str
    rules: tuple[Cell, ...]
    found: FoundFigures | None
    positions: dict[str, PositionFigures]
    costs: tuple[ClipCost, ...]
    under_quota: UnderQuota | None


def write_page(board: Scoreboard) -> None:
    """Write the page and its picture into the documentation of this checkout."""
    if board.costs:
        PLOT.write_text(plot(board.costs), encoding="utf-8")
    PAGE.write_text("\n".join(page(board)) + "\n", encoding="utf-8")


def page(board: Scoreboard) -> list[str]:
    """The page in Markdown."""
    lines = [
        "# Scoreboard",
        "",
        'Written by `make bench ARGS="--write-docs"`; how each figure is measured:'
        " [budget.md](budget.md), [rule-quality.md](rule-quality.md),"
        " [detection-quality.md](detection-quality.md). Seconds are those of the machine that ran"
        " it; ratios within one run hold elsewhere.",
        "",
        f"Measured on: {board.machine}.",
        "",
    ]
    return (
        lines
        + _rules(board)
        + _found(board)
        + _positions(board)
        + _costs(board)
        + _under_quota(board.under_quota)
    )


def _rules(board: Scoreboard) -> list[str]:
    lines = ["## Rules (synthetic: drawn people, exact truth)", ""]
    if not board.rules:
        return [*lines, "`make quality` was not run in this checkout.", ""]
    return [*lines, *cell_rows(board.rules), "", "Intervals: Wilson, 95 %.", ""]


def _found(board: Scoreboard) -> list[str]:
    if board.found is None:
        return []
    found = board.found
    return [
        "## People found (real: frames of `vtest.avi`, labelled by hand)",
        "",
        "| pictures | people | product AP50 | bare network AP50 | product / bare |",
        "| --- | --- | --- | --- | --- |",
        f"| {found.pictures} | {found.people} | {found.product_ap50:.3f} |"
        f" {found.bare_ap50:.3f} | {found.product_ap50 / found.bare_ap50:.2f} |",
        "",
        "The bare network sees the whole picture squashed to its input. How the boxes were made"
        " stands in `edge/roeh/bench/vtest_people.json`.",
        "",
    ]


def _positions(board: Scoreboard) -> list[str]:
    if not board.positions:
        return []
    lines = [
        "## Tracks (synthetic: drawn people, cameras hung as their sigmas allow)",
        "",
        "| camera | person-seconds | followed | off by: median, p95 | squared error over"
        " covariance (2 is honest) | within what 95 % should | identity switches |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {one.person_s:.0f} | {one.followed} | {one.median_m:.2f}, {one.p95_m:.2f} m"
        f" | {one.mean_squared:.2f} | {one.within} | {one.switches} |"
        for name, one in board.positions.items()
    ]
    return [
        *lines,
        "",
        "Whoever is in the picture counts as to be followed, hidden behind others or not; any new"
        " number is a switch, also after having been lost.",
        "",
    ]


def _costs(board: Scoreboard) -> list[str]:
    if not board.costs:
        return []
    names = [cost.clip for cost in board.costs]
    lines = [
        "## Cost (CPU-seconds per camera-second; real footage, 1280x720, 15 pictures a second)",
        "",
        "![what it costs](scoreboard.svg)",
        "",
        "| | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    rows: list[tuple[str, list[str]]] = [
        ("read and decode", [f"{c.live.decode_s_per_s:.4f}" for c in board.costs]),
        *(
            (stage, [f"{c.live.stages_s_per_s[stage]:.4f}" for c in board.costs])
            for stage in STAGES
        ),
        ("all processes, recording nothing", [f"{c.live.cpu_s_per_s:.4f}" for c in board.costs]),
        ("floor: decode", [f"{c.floor_decode_s_per_s:.4f}" for c in board.costs]),
        ("floor: inference", [f"{c.floor_inference_s_per_s:.4f}" for c in board.costs]),
        ("all / floor", [f"{c.live.cpu_s_per_s / c.floor_s_per_s:.2f}" for c in board.costs]),
        ("all - floor", [f"{c.live.cpu_s_per_s - c.floor_s_per_s:+.4f}" for c in board.costs]),
        ("inferences a second", [f"{c.live.inferences_per_s:.2f}" for c in board.costs]),
        ("recording: more", [f"{c.recording_s_per_s:+.4f}" for c in board.costs]),
        ("memory (PSS), MB", [f"{c.live.pss_bytes / 1e6:.0f}" for c in board.costs]),
    ]
    peers = [cost.peer for cost in board.costs]
    if any(peers):
        name = next(peer.version for peer in peers if peer is not None)
        rows.append((f"{name}: all", [f"{p.cpu_s_per_s:.4f}" if p else "-" for p in peers]))
        rows.append(
            (f"{name}: memory (PSS), MB", [f"{p.pss_bytes / 1e6:.0f}" if p else "-" for p in peers])
        )
    lines += [f"| {name} | " + " | ".join(values) + " |" for name, values in rows]
    if not any(peers):
        lines += ["", "Motion (Debian's package `motion`) was not installed where this was run."]
    else:
        lines += [
            "",
            "Motion decodes and finds motion, no objects; its films, pictures and pages are off.",
        ]
    return [*lines, ""]


def _under_quota(told: UnderQuota | None) -> list[str]:
    if told is None:
        return []
    recording = "verified" if told.intact else "does NOT verify"
    return [
        f"## Under a quota of half a core (the busy clip, {told.duration_s:.0f} s)",
        "",
        f"The recording {recording}: {told.gaps} gaps, {told.dropped} groups of pictures lost on"
        f" the way. {told.high_alerts} alerts of priority 7 and above;"
        f" {told.frames_per_s:.1f} pictures a second looked at in the end. Detection said:"
        f" {told.said}.",
        "",
    ]


def plot(costs: tuple[ClipCost, ...]) -> str:
    """Bars of every clip's cost beside its floor and the peer, as SVG."""
    bars: list[tuple[str, list[float]]] = []
    for cost in costs:
        bars.append((f"{cost.clip}: the node", _split(cost.live)))
        floor = [cost.floor_decode_s_per_s, cost.floor_inference_s_per_s, 0, 0, 0, 0, 0]
        bars.append((f"{cost.clip}: floor", floor))
        if cost.peer is not None:
            bars.append((f"{cost.clip}: Motion", [0, 0, 0, 0, 0, 0, cost.peer.cpu_s_per_s]))
    longest = max(sum(parts) for _, parts in bars)
    height_px = _ROW_PX * (len(bars) + 2)
    width_px = _LABEL_PX + _SCALE_PX + 80
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width_px}" height="{height_px}" fill="white"/>',
    ]
    for row, (name, parts) in enumerate(bars):
        top_px = row * _ROW_PX + 4
        drawn.append(f'<text x="4" y="{top_px + 12}">{name}</text>')
        left_px = float(_LABEL_PX)
        for value, (_, colour) in zip(parts, _PARTS, strict=True):
            long_px = value / longest * _SCALE_PX
            if long_px > 0:
                drawn.append(
                    f'<rect x="{left_px:.1f}" y="{top_px}" width="{long_px:.1f}"'
                    f' height="{_BAR_PX}" fill="{colour}"/>'
                )
            left_px += long_px
        drawn.append(f'<text x="{left_px + 5:.1f}" y="{top_px + 12}">{sum(parts):.3f}</text>')
    for number, (name, colour) in enumerate(_PARTS):
        left_px, top_px = 4 + number % 4 * 170, (len(bars) + number // 4) * _ROW_PX + 6
        drawn.append(
            f'<rect x="{left_px}" y="{top_px}" width="10" height="10" fill="{colour}"/>'
            f'<text x="{left_px + 14}" y="{top_px + 10}">{name}</text>'
        )
    return "\n".join([*drawn, "</svg>", ""])


def _split(live: LiveFigures) -> list[float]:
    """The node's cost in the parts of the picture."""
    stages = live.stages_s_per_s
    known = [
        live.decode_s_per_s,
        stages["inference"],
        stages["remap"] + stages["convert"],
        stages["motion"],
        sum(stages.values()) - sum(stages[s] for s in ("inference", "remap", "convert", "motion")),
    ]
    return [*known, max(0.0, live.cpu_s_per_s - sum(known)), 0.0]
