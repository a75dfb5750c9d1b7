"""`make bench`: the product's cost on this machine, each figure beside its floor."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from roeh.bench.clips import FPS, HEIGHT_PX, WIDTH_PX, busy_pictures, encode_clip, quiet_pictures
from roeh.bench.delivery import DeliveryFigures, measure_delivery
from roeh.bench.export import ExportFigures, measure_export
from roeh.bench.floor import decode_cpu_s_per_s, inference_cpu_s
from roeh.bench.live import LiveFigures, measure_live
from roeh.bench.memory_frames import MemoryFigures, measure_memory_frames
from roeh.bench.recording import RecordingFigures, encode_recording, measure_recording
from roeh.bench.rigs import rig_scenes
from roeh.bench.sources import SourceFigures, measure_sources
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


class ClipReport(msgspec.Struct, frozen=True):
    """One clip: the node's figures and the floor of the same run."""

    clip: str
    live: LiveFigures
    floor_decode_s_per_s: float
    floor_inference_s_per_s: float

    @property
    def floor_s_per_s(self) -> float:
        """Decode plus the inferences that the schedule asked for."""
        return self.floor_decode_s_per_s + self.floor_inference_s_per_s


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
    parser.add_argument("--json", action="store_true", help="the figures as one JSON line")
    chosen = parser.parse_args()
    console = Console(stderr=chosen.json, highlight=False, soft_wrap=True)
    try:
        if chosen.only_export:
            return _bench_export(console, chosen.export_mb, as_json=chosen.json)
        if chosen.only_cameras:
            return _bench_cameras(console, as_json=chosen.json)
        return _bench(console, chosen.seconds, chosen.export_mb, as_json=chosen.json)
    except RoehError as error:
        sys.stderr.write(error.line() + "\n")
        return error.exit_status


def _bench_export(console: Console, export_mb: float, *, as_json: bool) -> int:
    figures = measure_export(_recording_clip(console, fetch_footage()), _RECORDED, export_mb)
    _show_export(console, figures)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"export": figures}).decode() + "\n")
    return 0


class CameraFigures(msgspec.Struct, frozen=True):
    """What every source costs for a picture, and every rig for what is done with it."""

    sources: tuple[SourceFigures, ...]
    rigs: dict[str, MemoryFigures]


def _bench_cameras(console: Console, *, as_json: bool) -> int:
    footage = fetch_footage()
    figures = _measure_cameras(_clips(console, footage)["busy"], footage)
    _show_cameras(console, figures)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"cameras": figures}).decode() + "\n")
    return 0


def _measure_cameras(clip: Path, footage: Path) -> CameraFigures:
    return CameraFigures(
        sources=tuple(measure_sources(clip, FPS, footage)),
        rigs={name: measure_memory_frames(scene, 2) for name, scene in rig_scenes().items()},
    )


def _bench(console: Console, duration_s: float, export_mb: float, *, as_json: bool) -> int:
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
        console.print(f"[dim]{name}: {duration_s:.0f} s through the whole node[/dim]")
        scene = ordinary_video(str(clip), Size(WIDTH_PX, HEIGHT_PX), loop=True)
        reports.append(_report(name, scene, duration_s, decode_cpu_s_per_s(clip, FPS), wide_s))
    console.print("[dim]fisheye 2048 x 2048, 10 frames a second, through the whole node[/dim]")
    fisheye = _every_frame(panorama_scene(footage))
    # Drawing the panorama stands in for a camera: it is no part of the floor.
    reports.append(_report("fisheye", fisheye, duration_s, 0.0, square_s))
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
    _show(console, reports, memory)
    _show_cameras(console, cameras)
    _show_recording(console, recording)
    _show_delivery(console, delivery)
    _show_export(console, export)
    if as_json:
        line = {
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


def _report(
    name: str, scene: NodeConfig, duration_s: float, decode_s_per_s: float, inference_s: float
) -> ClipReport:
    with tempfile.TemporaryDirectory(prefix="roeh-bench-") as directory:
        live = measure_live(scene, Path(directory), SystemClock(), duration_s=duration_s)
    return ClipReport(name, live, decode_s_per_s, live.inferences_per_s * inference_s)


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


def _show_cameras(console: Console, figures: CameraFigures) -> None:
    table = Table(title="Sources: CPU a picture, ms", title_justify="left")
    for name in ("", "the source", "floor", "", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    for source in figures.sources:
        if source.remark:
            table.add_row(source.name, source.remark)
            continue
        cells = [source.name, f"{source.picture_ms:.2f}"]
        if source.floor is not None:
            floor_ms = source.floor.picture_ms
            cells += [f"{floor_ms:.2f}", source.floor.what, f"{source.picture_ms / floor_ms:.2f}"]
        table.add_row(*cells)
    console.print(table)
    table = Table(
        title="Rigs: CPU a picture of one camera without the network, ms", title_justify="left"
    )
    for name in ("", "in all", "motion", "remap", "bare remap", "convert", "rest", "tiles"):
        table.add_column(name, justify="right" if name else "left")
    for name, rig in figures.rigs.items():
        stages = rig.stages_ms
        named = ("motion", "remap", "convert")
        rest_ms = rig.without_inference_ms - sum(stages[one] for one in named)
        table.add_row(
            name,
            f"{rig.without_inference_ms:.2f}",
            f"{stages['motion']:.2f}",
            f"{stages['remap']:.2f}",
            f"{rig.remap_floor_ms:.2f}",
            f"{stages['convert']:.2f}",
            f"{rest_ms:.2f}",
            f"{rig.tiles_per_frame:.1f}",
        )
    console.print(table)


def _show_recording(console: Console, figures: RecordingFigures) -> None:
    table = Table(
        title=f"Recording {figures.bits_a_second / 1e6:.1f} Mbit/s, one camera",
        title_justify="left",
    )
    table.add_column("")
    table.add_column("the node", justify="right")
    table.add_column("floor", justify="right")
    table.add_row(
        "CPU-s a second: hash, signature, sync, index, ledger | plain remux, no sync",
        f"{figures.cpu_s_per_s:.4f}",
        f"{figures.remux_s_per_s:.4f}",
    )
    table.add_row(
        "a group until acknowledged, ms (median, p95) | fdatasync alone",
        "{:.1f}, {:.1f}".format(*figures.store_ms),
        "{:.1f}, {:.1f}".format(*figures.sync_ms),
    )
    table.add_row(
        "SQLite FULL, one row, ms (median, p95)", "", "{:.1f}, {:.1f}".format(*figures.commit_ms)
    )
    table.add_row(
        "verification, MB per CPU-s | plain sha256",
        f"{figures.verify_mb_per_s:.0f}",
        f"{figures.sha256_mb_per_s:.0f}",
    )
    table.add_row("bytes on the disk / bytes of video", f"{figures.written_over_video:.3f}", "1")
    console.print(table)
    console.print("goal: recording 4 Mbit/s <= 0.01 CPU-s a second")


def _show_delivery(console: Console, figures: DeliveryFigures) -> None:
    table = Table(title="Delivery, SQLite with group commit", title_justify="left")
    table.add_column("")
    table.add_column("the desk", justify="right")
    table.add_column("floor: paho to paho", justify="right")
    table.add_column("ratio", justify="right")
    table.add_row(
        "published to acknowledged after commit | to read, ms (p50, p95, p99)",
        "{:.1f}, {:.1f}, {:.1f}".format(*figures.acknowledged_ms),
        "{:.1f}, {:.1f}, {:.1f}".format(*figures.plain_ms),
        f"{figures.acknowledged_ms[0] / figures.plain_ms[0]:.1f}",
    )
    table.add_row(
        "CPU of the reader an alert, us",
        f"{figures.ingest_cpu_us:.0f}",
        f"{figures.plain_cpu_us:.0f}",
        f"{figures.ingest_cpu_us / figures.plain_cpu_us:.2f}",
    )
    table.add_row("CPU of the broker an alert, us", f"{figures.broker_cpu_us:.0f}", "", "")
    table.add_row(
        "alerts a second and core",
        f"{figures.alerts_per_s_a_core:.0f}",
        f"{1e6 / figures.plain_cpu_us:.0f}",
        f"{figures.plain_cpu_us / figures.ingest_cpu_us:.2f}",
    )
    table.add_row(
        "alerts a second, publisher and broker on the same machine",
        f"{figures.alerts_per_s:.0f}",
        f"{figures.plain_per_s:.0f}",
        f"{figures.alerts_per_s / figures.plain_per_s:.2f}",
    )
    console.print(table)
    console.print("goal: the desk takes in >= 3000 alerts a second and core")


def _show_export(console: Console, figures: ExportFigures) -> None:
    table = Table(
        title=f"Export of {figures.recorded_mb:.0f} MB recorded: a bundle of"
        f" {figures.bundle_mb:.0f} MB",
        title_justify="left",
    )
    for name in ("", "the pole", "floor: zip and age", "ratio"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(
        "built, MB a second",
        f"{figures.mb_per_s:.0f}",
        f"{figures.plain_mb_per_s:.0f}",
        f"{figures.plain_mb_per_s / figures.mb_per_s:.2f}",
    )
    table.add_row(
        "CPU, ms a MB",
        f"{figures.cpu_ms_per_mb:.1f}",
        f"{figures.plain_cpu_ms_per_mb:.1f}",
        f"{figures.cpu_ms_per_mb / figures.plain_cpu_ms_per_mb:.2f}",
    )
    table.add_row("fetched over TLS, MB a second", f"{figures.fetched_mb_per_s:.0f}", "", "")
    table.add_row(
        "decrypted and verified, MB a second | sha256 of the bundle",
        f"{figures.verify_mb_per_s:.0f}",
        f"{figures.sha256_mb_per_s:.0f}",
        f"{figures.sha256_mb_per_s / figures.verify_mb_per_s:.1f}",
    )
    table.add_row(
        "request for half a minute to the first byte, s", f"{figures.short_ready_s:.1f}", "", ""
    )
    table.add_row("most memory of the builder, MB", f"{figures.builder_peak_mb:.0f}", "", "")
    table.add_row(
        "a group recorded meanwhile until acknowledged, ms (median, p95) | nothing built",
        "{:.1f}, {:.1f}".format(*figures.store_building_ms),
        "{:.1f}, {:.1f}".format(*figures.store_idle_ms),
        f"{figures.store_building_ms[0] / figures.store_idle_ms[0]:.2f}",
    )
    console.print(table)


def _show(console: Console, reports: list[ClipReport], memory: MemoryFigures) -> None:
    table = Table(title="CPU-seconds per camera-second", title_justify="left")
    table.add_column("")
    for report in reports:
        table.add_column(report.clip, justify="right")
    live = [report.live for report in reports]
    rows: list[tuple[str, list[float]]] = [
        ("read and decode", [figures.decode_s_per_s for figures in live]),
        ("convert, hand over", [f.offer_s_per_s + f.stages_s_per_s["convert"] for f in live]),
        ("motion", [figures.stages_s_per_s["motion"] for figures in live]),
        ("remap", [figures.stages_s_per_s["remap"] for figures in live]),
        ("inference", [figures.stages_s_per_s["inference"] for figures in live]),
        ("locate, track, rules", [_tracking(figures) for figures in live]),
    ]
    known = [sum(values[i] for _, values in rows) for i in range(len(live))]
    rows.append(("rest", [f.cpu_s_per_s - k for f, k in zip(live, known, strict=True)]))
    rows.append(("all processes", [figures.cpu_s_per_s for figures in live]))
    rows.append(("floor: decode", [report.floor_decode_s_per_s for report in reports]))
    rows.append(("floor: inference", [report.floor_inference_s_per_s for report in reports]))
    for name, values in rows:
        table.add_row(name, *(f"{value:.4f}" for value in values))
    table.add_row(
        "all / floor", *(f"{r.live.cpu_s_per_s / r.floor_s_per_s:.2f}" for r in reports[:2]), "-"
    )
    table.add_row("all - floor", *(f"{r.live.cpu_s_per_s - r.floor_s_per_s:+.4f}" for r in reports))
    table.add_row("inferences a second", *(f"{figures.inferences_per_s:.2f}" for figures in live))
    table.add_row("memory (PSS), MB", *(f"{figures.pss_bytes / 1e6:.0f}" for figures in live))
    table.add_row("start to first frame, s", *(f"{f.first_frame_s:.2f}" for f in live))
    table.add_row("rule true to subscriber p95, ms", *(_p95(f.delays_ms) for f in live))
    console.print(table)
    stages = ", ".join(f"{name} {value:.2f}" for name, value in memory.stages_ms.items() if value)
    console.print(
        f"fisheye from memory: {memory.without_inference_ms:.2f} ms a frame without inference"
        f" ({memory.tiles_per_frame:.1f} tiles a frame; {stages} ms)"
    )
    console.print(
        "goals: busy all / floor <= 1.15; quiet all - floor <= 0.010; fisheye from memory"
        " <= 5 ms; memory <= 400 MB; first frame <= 3 s; p95 <= 150 ms"
    )


def _tracking(figures: LiveFigures) -> float:
    return sum(figures.stages_s_per_s[stage] for stage in ("locate", "track", "rules", "thumbnail"))


def _p95(delays_ms: tuple[float, ...]) -> str:
    if not delays_ms:
        return "-"
    ordered = sorted(delays_ms)
    return f"{ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.0f} ({len(ordered)})"


if __name__ == "__main__":
    sys.exit(main())
