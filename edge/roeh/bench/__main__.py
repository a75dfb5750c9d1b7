"""`make bench`: the product's cost on this machine, each figure beside its floor."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from roeh.bench.clips import FPS, HEIGHT_PX, WIDTH_PX, busy_pictures, encode_clip, quiet_pictures
from roeh.bench.costs import measure_peers, report, report_clip, scoreboard
from roeh.bench.delivery import measure_delivery
from roeh.bench.export import measure_export
from roeh.bench.floor import inference_cpu_s
from roeh.bench.memory_frames import measure_memory_frames
from roeh.bench.recording import encode_recording, measure_recording
from roeh.bench.rigs import rig_scenes
from roeh.bench.scoreboard import PAGE, Scoreboard, page, write_page
from roeh.bench.sources import measure_sources
from roeh.bench.tables import (
    CameraFigures,
    ClipReport,
    show_cameras,
    show_delivery,
    show_export,
    show_node,
    show_peers,
    show_recording,
)
from roeh.core.clock import SystemClock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError
from roeh.core.types import Size
from roeh.demo.footage import cache_dir, fetch_footage
from roeh.demo.scene import panorama_scene
from roeh.detect.ordinary import ordinary_video
from roeh.vision.layout import SQUARE_MODEL, WIDE_MODEL

_CLIP_S = 40
_INFERENCES = 100
_RECORDED = ordinary_video("recording", Size(WIDTH_PX, HEIGHT_PX), loop=True)


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="measured time of each clip")
    parser.add_argument(
        "--export-mb", type=float, default=200.0, help="recorded size of what is exported"
    )
    parser.add_argument("--only-export", action="store_true", help="nothing but the export")
    parser.add_argument(
        "--only-cameras", action="store_true", help="nothing but the sources and the rigs"
    )
    parser.add_argument(
        "--only-scoreboard", action="store_true", help="quality, and cost beside floor and Motion"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="the scoreboard into edge/design/scoreboard.md"
    )
    parser.add_argument("--json", action="store_true", help="the figures as one JSON line")
    chosen = parser.parse_args()
    console = Console(stderr=chosen.json, highlight=False, soft_wrap=True)
    try:
        if chosen.only_export:
            return _bench_export(console, chosen.export_mb, as_json=chosen.json)
        if chosen.only_cameras:
            return _bench_cameras(console, as_json=chosen.json)
        if chosen.only_scoreboard:
            return _bench_scoreboard(
                console, chosen.seconds, as_json=chosen.json, writes_docs=chosen.write_docs
            )
        return _bench(
            console,
            chosen.seconds,
            chosen.export_mb,
            as_json=chosen.json,
            writes_docs=chosen.write_docs,
        )
    except RoehError as error:
        sys.stderr.write(error.line() + "\n")
        return error.exit_status


def _bench_export(console: Console, export_mb: float, *, as_json: bool) -> int:
    figures = measure_export(_recording_clip(console, fetch_footage()), _RECORDED, export_mb)
    show_export(console, figures)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"export": figures}).decode() + "\n")
    return 0


def _bench_scoreboard(
    console: Console, duration_s: float, *, as_json: bool, writes_docs: bool
) -> int:
    footage = fetch_footage()
    clips = _clips(console, footage)
    wide_s = inference_cpu_s(WIDE_MODEL, _INFERENCES)
    reports = [report_clip(console, name, clip, duration_s, wide_s) for name, clip in clips.items()]
    peers = measure_peers(console, clips, duration_s)
    board = scoreboard(console, footage, clips, reports, peers)
    _show_scoreboard(console, board, writes_docs=writes_docs)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"scoreboard": board}).decode() + "\n")
    return 0


def _show_scoreboard(console: Console, board: Scoreboard, *, writes_docs: bool) -> None:
    if writes_docs:
        write_page(board)
        console.print(f"written: {PAGE}")
    else:
        console.print("\n".join(page(board)), markup=False)


def _bench_cameras(console: Console, *, as_json: bool) -> int:
    footage = fetch_footage()
    figures = _measure_cameras(_clips(console, footage)["busy"], footage)
    show_cameras(console, figures)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"cameras": figures}).decode() + "\n")
    return 0


def _measure_cameras(clip: Path, footage: Path) -> CameraFigures:
    return CameraFigures(
        sources=tuple(measure_sources(clip, FPS, footage)),
        rigs={name: measure_memory_frames(scene, 2) for name, scene in rig_scenes().items()},
    )


def _bench(
    console: Console, duration_s: float, export_mb: float, *, as_json: bool, writes_docs: bool
) -> int:
    clock = SystemClock()
    footage = fetch_footage()
    clips = _clips(console, footage)
    wide_s, square_s = (inference_cpu_s(name, _INFERENCES) for name in (WIDE_MODEL, SQUARE_MODEL))
    console.print(
        f"one inference, one thread: {WIDE_MODEL} {wide_s * 1e3:.1f} ms,"
        f" {SQUARE_MODEL} {square_s * 1e3:.1f} ms"
    )
    reports: list[ClipReport] = []
    for name, clip in clips.items():
        reports.append(report_clip(console, name, clip, duration_s, wide_s))
    peers = measure_peers(console, clips, duration_s)
    fisheye = _every_frame(panorama_scene(footage))
    # Drawing the panorama stands in for a camera: it is no part of the floor.
    reports.append(
        report(
            console,
            "fisheye",
            fisheye,
            duration_s,
            decode_s_per_s=0.0,
            inference_s=square_s,
        )
    )
    console.print("[dim]fisheye from raw frames in memory[/dim]")
    memory = measure_memory_frames(fisheye, passes=6)
    console.print("[dim]sources, and rigs from raw frames in memory[/dim]")
    cameras = _measure_cameras(clips["busy"], footage)
    console.print("[dim]recording, signed and synced[/dim]")
    recorded = _recording_clip(console, footage)
    recording = measure_recording(recorded, _RECORDED)
    console.print("[dim]delivery, to the desk's commit[/dim]")
    delivery = measure_delivery()
    console.print(f"[dim]export of {export_mb:.0f} MB, from the request to the verdict[/dim]")
    export = measure_export(recorded, _RECORDED, export_mb)
    board = scoreboard(console, footage, clips, reports, peers)
    show_node(console, reports, memory)
    show_peers(console, peers)
    show_cameras(console, cameras)
    show_recording(console, recording)
    show_delivery(console, delivery)
    show_export(console, export)
    _show_scoreboard(console, board, writes_docs=writes_docs)
    if as_json:
        line = {
            "scoreboard": board,
            "clips": reports,
            "fisheye_memory": memory,
            "cameras": cameras,
            "recording": recording,
            "delivery": delivery,
            "export": export,
            "t_mono_ns": clock.mono_ns(),
        }
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    return 0


def _every_frame(scene: NodeConfig) -> NodeConfig:
    return msgspec.structs.replace(scene, detect=msgspec.structs.replace(scene.detect, fps=10.0))


def _clips(console: Console, footage: Path) -> dict[str, Path]:
    """The clips, made once and kept in the user's cache."""
    made: dict[str, Path] = {}
    for name, pictures in (("busy", busy_pictures), ("quiet", quiet_pictures)):
        path = cache_dir() / f"bench-{name}-{HEIGHT_PX}p{FPS}.mp4"
        if not path.is_file():
            console.print(f"[dim]making the {name} clip, once[/dim]")
            partial = path.with_suffix(".part.mp4")
            encode_clip(partial, pictures(footage, _CLIP_S * FPS))
            partial.replace(path)
        made[name] = path
    return made


def _recording_clip(console: Console, footage: Path) -> Path:
    path = cache_dir() / f"bench-recording-{HEIGHT_PX}p{FPS}.mp4"
    if not path.is_file():
        console.print("[dim]making the recording clip, once[/dim]")
        partial = path.with_suffix(".part.mp4")
        encode_recording(partial, busy_pictures(footage, _CLIP_S * FPS), FPS)
        partial.replace(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
