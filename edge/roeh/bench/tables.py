"""The bench's figures as tables, each beside its floor and its goal."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from roeh.bench.delivery import DeliveryFigures
from roeh.bench.export import ExportFigures
from roeh.bench.live import LiveFigures
from roeh.bench.memory_frames import MemoryFigures
from roeh.bench.motion_peer import PeerFigures
from roeh.bench.recording import RecordingFigures
from roeh.bench.sources import SourceFigures


class ClipReport(msgspec.Struct, frozen=True):
    """One clip: the node's figures and the floor of the same run.

    Attributes:
        live: while it records nothing.
        recording_s_per_s: what recording adds, of another pass of the same clip.
    """

    clip: str
    live: LiveFigures
    recording_s_per_s: float
    floor_decode_s_per_s: float
    floor_inference_s_per_s: float

    @property
    def floor_s_per_s(self) -> float:
        """Decode plus the inferences that the schedule asked for."""
        return self.floor_decode_s_per_s + self.floor_inference_s_per_s


class CameraFigures(msgspec.Struct, frozen=True):
    """What every source costs for a picture, and every rig for what is done with it."""

    sources: tuple[SourceFigures, ...]
    rigs: dict[str, MemoryFigures]


def show_cameras(console: Console, figures: CameraFigures) -> None:
    """Every source and every rig beside its floor."""
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


def show_recording(console: Console, figures: RecordingFigures) -> None:
    """What recording costs."""
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


def show_delivery(console: Console, figures: DeliveryFigures) -> None:
    """What delivery to the desk costs."""
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


def show_export(console: Console, figures: ExportFigures) -> None:
    """What a bundle costs."""
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


def show_peers(console: Console, peers: dict[str, PeerFigures | None]) -> None:
    """Motion on the same clips, in the same run."""
    for clip, peer in peers.items():
        if peer is not None:
            console.print(
                f"{peer.version} on {clip}: {peer.cpu_s_per_s:.4f} CPU-seconds per"
                f" camera-second, {peer.pss_bytes / 1e6:.0f} MB (motion alone, no objects)"
            )


def show_node(console: Console, reports: list[ClipReport], memory: MemoryFigures) -> None:
    """The whole node, clip by clip, and the goals."""
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
    table.add_row("recording: more", *(f"{r.recording_s_per_s:+.4f}" for r in reports))
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
