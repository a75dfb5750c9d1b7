"""What recording costs: groups of pictures of 4 Mbit/s through the store, beside its floor."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import msgspec

from roeh.bitstream.mp4_read import read_video
from roeh.core.clock import NS_PER_US, Clock, SystemClock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig, Discontinuity, Gop
from roeh.core.ids import ClockIds
from roeh.core.paths import segments_dir
from roeh.evidence.parts import EvidenceParts
from roeh.evidence.recording import Recording
from roeh.media.frames import UInt8Image
from roeh.verify.checking import Beliefs, verify

BITS_A_SECOND = 4_000_000
_GOP_S = 2
_LATENCY_RUNS = 100


class RecordingFigures(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in seconds per recorded second, latencies in milliseconds (median, p95).

    Attributes:
        remux_s_per_s: FFmpeg writing the same pictures as the same kind of file, no sync.
        store_ms: of a group, until it is acknowledged.
        sync_ms: fdatasync alone of a group's bytes.
        commit_ms: a row of 100 bytes in SQLite, synchronous=FULL.
    """

    bits_a_second: float
    cpu_s_per_s: float
    remux_s_per_s: float
    sha256_s_per_s: float
    store_ms: tuple[float, float]
    sync_ms: tuple[float, float]
    commit_ms: tuple[float, float]
    written_over_video: float
    verify_mb_per_s: float
    sha256_mb_per_s: float


def encode_recording(path: Path, pictures: Iterator[UInt8Image], fps: int) -> Path:
    """Write pictures as H.264 of 4 Mbit/s, a key picture each two seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={
            "preset": "veryfast", "bf": "0", "g": str(_GOP_S * fps), "tune": "zerolatency",
            "minrate": str(BITS_A_SECOND), "maxrate": str(BITS_A_SECOND),
            "bufsize": str(BITS_A_SECOND // 2),
        })  # fmt: skip
        stream.bit_rate = BITS_A_SECOND
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def measure_recording(clip: Path, scene: NodeConfig) -> RecordingFigures:
    """Store the clip's groups of pictures, one after the other, as fast as they go."""
    video = read_video(clip.read_bytes())
    units = [picture.unit for picture in video.pictures]
    clock = SystemClock()
    gops = list(recorded_gops(scene.sensors[0].name, video.config, units, clock))
    recorded_s = (gops[-1].t_end_mono_us - gops[0].t_first_mono_us) / 1e6
    video_bytes = sum(gop.size_bytes for gop in gops)
    with tempfile.TemporaryDirectory(prefix="roeh-bench-") as directory:
        node = msgspec.structs.replace(
            scene, paths=msgspec.structs.replace(scene.paths, data_dir=f"{directory}/data")
        )
        store_ms, cpu_s = _store(node, gops, clock)
        written = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
        recorded = [path.read_bytes() for path in segments_dir(node).rglob("*.mp4")]
        verify_s = _cpu_s(lambda: verify(Path(node.paths.data_dir), Beliefs(), clock))
        digest_s = _cpu_s(lambda: [hashlib.sha256(content).digest() for content in recorded])
        sync_ms = _sync_ms(Path(directory) / "sync", gops, clock)
        commit_ms = _commit_ms(Path(directory) / "commit.db", clock)
        remux_s = _cpu_s(lambda: _remux(clip, Path(directory) / "remux.mp4"))
    recorded_mb = sum(map(len, recorded)) / 1e6
    return RecordingFigures(
        bits_a_second=video_bytes * 8 / recorded_s,
        cpu_s_per_s=cpu_s / recorded_s,
        remux_s_per_s=remux_s / recorded_s,
        sha256_s_per_s=digest_s / recorded_s,
        store_ms=median_p95(store_ms),
        sync_ms=median_p95(sync_ms),
        commit_ms=median_p95(commit_ms),
        written_over_video=written / video_bytes,
        verify_mb_per_s=recorded_mb / verify_s,
        sha256_mb_per_s=recorded_mb / digest_s,
    )


def _store(node: NodeConfig, gops: list[Gop], clock: Clock) -> tuple[list[float], float]:
    """Milliseconds of each group until it was acknowledged, and the CPU of all."""
    took_ms: list[float] = []

    def store_all() -> None:
        for gop in gops:
            begin_ns = clock.mono_ns()
            recording.store(gop)
            took_ms.append((clock.mono_ns() - begin_ns) / 1e6)

    def fail(error: RoehError) -> None:
        raise error

    with contextlib.ExitStack() as closing:
        parts = EvidenceParts(node, clock, closing, on_failed=fail)
        recording = Recording(parts, on_lost=fail)
        recording.begin()
        # Signing and checkpoints go on beside it and are counted.
        cpu_s = _cpu_s(store_all) + _cpu_s(recording.close)
    return took_ms, cpu_s


def recorded_gops(
    camera_id: str, config: CodecConfig, units: list[AccessUnit], clock: Clock
) -> Iterator[Gop]:
    """A clip's groups of pictures as capture hands them over, the first one taken now."""
    now = clock.read()
    starts = [number for number, unit in enumerate(units) if unit.is_key]
    capture_id = ClockIds(clock).new()
    t_first_mono_us = now.t_mono_ns // NS_PER_US
    t_utc_us = now.t_utc_ns // NS_PER_US
    # The last group's end is not known from the clip: it is left out.
    for seq, (start, stop) in enumerate(pairwise(starts), start=1):
        since_us = (units[start].dts - units[0].dts) * 1_000_000 // TICKS_PER_S
        until_us = (units[stop].dts - units[0].dts) * 1_000_000 // TICKS_PER_S
        yield Gop(
            camera_id=camera_id,
            capture_id=capture_id,
            seq=seq,
            discontinuity=Discontinuity.CAPTURE_START if seq == 1 else None,
            is_complete=True,
            codec_config=config,
            units=tuple(
                AccessUnit(unit.nal_units, unit.dts, unit.pts, unit.is_key)
                for unit in units[start:stop]
            ),
            boot_id=now.boot_id,
            t_first_mono_us=t_first_mono_us + since_us,
            t_end_mono_us=t_first_mono_us + until_us,
            t_utc_us=t_utc_us + since_us,
            utc_error_us=now.utc_error_ns // NS_PER_US,
            synchronised=now.synchronised,
            is_masked=False,
        )


def _remux(clip: Path, target: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(clip)) as source, av.open(str(target), "w", options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)


def _sync_ms(path: Path, gops: list[Gop], clock: Clock) -> list[float]:
    took_ms: list[float] = []
    with path.open("wb", buffering=0) as file:
        for gop in gops:
            file.write(b"".join(unit.nal_units for unit in gop.units))
            begin_ns = clock.mono_ns()
            os.fdatasync(file.fileno())
            took_ms.append((clock.mono_ns() - begin_ns) / 1e6)
    return took_ms


def _commit_ms(path: Path, clock: Clock) -> list[float]:
    took_ms: list[float] = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE line (row INTEGER PRIMARY KEY, content BLOB)")
        for _ in range(_LATENCY_RUNS):
            begin_ns = clock.mono_ns()
            database.execute("INSERT INTO line (content) VALUES (zeroblob(100))")
            took_ms.append((clock.mono_ns() - begin_ns) / 1e6)
    return took_ms


def _cpu_s(work: Callable[[], object]) -> float:
    """CPU of this process, all its threads and ended children, while `work` runs."""
    before_s = _used_cpu_s()
    work()
    return _used_cpu_s() - before_s


def _used_cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def median_p95(values: list[float]) -> tuple[float, float]:
    """Of at least two values."""
    return statistics.median(values), statistics.quantiles(values, n=20)[-1]
