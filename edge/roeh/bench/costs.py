"""What the node costs on a clip, with and without recording, and what its peer costs there."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console

from roeh.bench.clips import FPS, HEIGHT_PX, WIDTH_PX
from roeh.bench.floor import decode_cpu_s_per_s
from roeh.bench.half_core import UnderQuota, measure_under_quota
from roeh.bench.live import LiveFigures, measure_live
from roeh.bench.motion_peer import PeerFigures, measure_motion
from roeh.bench.people_found import measure_people_found
from roeh.bench.positions import measure_positions
from roeh.bench.rule_quality import read_cells
from roeh.bench.scoreboard import ClipCost, Scoreboard
from roeh.bench.tables import ClipReport
from roeh.core.clock import SystemClock
from roeh.core.config import NodeConfig
from roeh.core.errors import RuntimeMissing
from roeh.core.types import Size
from roeh.detect.ordinary import ordinary_video

#: Scenes of each kind of camera whose tracks are held against the truth.
_SCENES, _SCENE_S = 4, 10.0
_QUOTA_S = 40.0
#: Motion is measured within one pass of a clip.
_PEER_S = 30.0


def measure_peers(
    console: Console, clips: dict[str, Path], duration_s: float
) -> dict[str, PeerFigures | None]:
    """Motion on every clip; one line where it is not installed."""
    console.print("[dim]the same clips through Motion[/dim]")
    clock = SystemClock()
    peers = {
        name: measure_motion(clip, FPS, clock, duration_s=min(duration_s, _PEER_S))
        for name, clip in clips.items()
    }
    if not any(peers.values()):
        console.print("Motion is not installed (Debian's package motion): no row of it")
    return peers


def scoreboard(
    console: Console,
    footage: Path,
    clips: dict[str, Path],
    reports: list[ClipReport],
    peers: dict[str, PeerFigures | None],
) -> Scoreboard:
    """All that the page shows."""
    console.print("[dim]people in labelled pictures; tracks beside exact truth[/dim]")
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return Scoreboard(
        machine=f"{cores} cores, {platform.machine()}, load {load:.1f} at the end of the run",
        rules=read_cells(),
        found=measure_people_found(footage),
        positions=measure_positions(_SCENES, _SCENE_S),
        costs=tuple(
            ClipCost(
                report.clip,
                report.live,
                report.recording_s_per_s,
                report.floor_decode_s_per_s,
                report.floor_inference_s_per_s,
                peers.get(report.clip),
            )
            for report in reports
            if report.clip in peers
        ),
        under_quota=_under_quota(console, clips["busy"]),
    )


def report_clip(
    console: Console, name: str, clip: Path, duration_s: float, inference_s: float
) -> ClipReport:
    """A clip through the whole node, beside its floor."""
    decode_s_per_s = decode_cpu_s_per_s(clip, FPS)
    return report(
        console,
        name,
        _clip_scene(clip),
        duration_s,
        decode_s_per_s=decode_s_per_s,
        inference_s=inference_s,
    )


def _clip_scene(clip: Path) -> NodeConfig:
    return ordinary_video(str(clip), Size(WIDTH_PX, HEIGHT_PX), loop=True)


def report(
    console: Console,
    name: str,
    scene: NodeConfig,
    duration_s: float,
    *,
    decode_s_per_s: float,
    inference_s: float,
) -> ClipReport:
    """A scene through the whole node twice: without recording, and with it."""
    measured: list[LiveFigures] = []
    for records in (False, True):
        how = "recording" if records else "recording nothing"
        console.print(f"[dim]{name}: {duration_s:.0f} s through the whole node, {how}[/dim]")
        evidence = msgspec.structs.replace(scene.evidence, record=records)
        with tempfile.TemporaryDirectory(prefix="roeh-bench-") as directory:
            measured.append(
                measure_live(
                    msgspec.structs.replace(scene, evidence=evidence),
                    Path(directory),
                    SystemClock(),
                    duration_s=duration_s,
                )
            )
    bare, recorded = measured
    return ClipReport(
        clip=name,
        live=bare,
        recording_s_per_s=_without_network(recorded) - _without_network(bare),
        floor_decode_s_per_s=decode_s_per_s,
        floor_inference_s_per_s=bare.inferences_per_s * inference_s,
    )


def _without_network(live: LiveFigures) -> float:
    """Of two passes the one may have had a picture more to look at than the other."""
    return live.cpu_s_per_s - live.stages_s_per_s["inference"]


def _under_quota(console: Console, clip: Path) -> UnderQuota | None:
    """The busy clip under half a core; None, with a line, where no quota can be set."""
    console.print(f"[dim]the busy clip under half a core, {_QUOTA_S:.0f} s[/dim]")
    scene = _clip_scene(clip)
    rules = tuple(
        msgspec.structs.replace(rule, priority=8) if rule.name == "somebody" else rule
        for rule in scene.rules
    )
    scene = msgspec.structs.replace(scene, rules=rules)
    with tempfile.TemporaryDirectory(prefix="roeh-bench-") as directory:
        try:
            return measure_under_quota(scene, Path(directory), SystemClock(), duration_s=_QUOTA_S)
        except RuntimeMissing as missing:
            console.print(f"under half a core: not measured ({missing.what})")
            return None
