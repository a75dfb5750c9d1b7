"""What an export costs: asked for, agreed to, built, fetched and verified, beside zip and age.

A real evidence and a real retrieve process over a store of the wanted size; the police's client
on loopback. The floor zips (stored) and encrypts the same payload in the same run.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from roeh.bench.recording import median_p95, recorded_gops
from roeh.bitstream.mp4_read import read_video
from roeh.bundle.encryption import AgeIdentity, encrypt, new_identity
from roeh.core.clock import (
    NS_PER_S,
    NS_PER_US,
    Clock,
    SimulatedClock,
    SystemClock,
    process_cpu_ns,
)
from roeh.core.config import EvidenceSection, NodeConfig, PathsSection, config_as_toml
from roeh.core.errors import RoehError
from roeh.core.gop import Gop
from roeh.core.ipc.stream import StreamClient
from roeh.core.parent import tied_environment
from roeh.core.paths import evidence_socket, segments_dir
from roeh.core.peers import GopStored, Role, StoreGop, Verb
from roeh.demo.broker import free_port
from roeh.demo.city import DemoCity
from roeh.demo.exported import beliefs_of
from roeh.demo.police import DemoPolice, Span
from roeh.evidence.parts import EvidenceParts
from roeh.evidence.recording import Recording
from roeh.police.answers import Export
from roeh.verify.checking import verify

#: What a short request takes: an incident.
_SHORT_S = 30
_POLL_S = 0.05
_IDLE_GROUPS = 100
_GROUP_EVERY_S = 0.2
_CALL_TIMEOUT_S = 30.0
_ROOM_BYTES = 256 * 1024**3
#: Faster than any disk: the bench measures what building takes, not its budget.
_UNBOUND_BPS = 1_000_000_000_000
_PIECE_BYTES = 1 << 20
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ExportFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Megabytes are of the bundle; CPU is the builder's with its children, and evidence's.

    Attributes:
        recorded_mb: of the store; a bundle holds it twice: as it is, and joined.
        built_s: from the approval until the bundle was ready.
        plain_mb_per_s, plain_cpu_ms_per_mb: zip and age alone over the same bytes.
        short_ready_s: from a request for half a minute to the first byte of its bundle.
        builder_peak_mb: the most memory that building took.
        store_idle_ms, store_building_ms: of a group of pictures until evidence acknowledged it
            (median, p95), while nothing is built and while the bundle is.
    """

    recorded_mb: float
    bundle_mb: float
    built_s: float
    mb_per_s: float
    cpu_ms_per_mb: float
    plain_mb_per_s: float
    plain_cpu_ms_per_mb: float
    fetched_mb_per_s: float
    verify_mb_per_s: float
    sha256_mb_per_s: float
    short_ready_s: float
    builder_peak_mb: float
    store_idle_ms: tuple[float, float]
    store_building_ms: tuple[float, float]


def measure_export(clip: Path, scene: NodeConfig, size_mb: float) -> ExportFigures:
    """Fill a store from the clip, over and over, and have all of it exported."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="roeh-bench-") as name:
        directory = Path(name)
        city = DemoCity(directory / "city", clock)
        config = _config(scene, directory, city)
        city.provision(config)
        span = _fill(config, clip, size_mb, clock)
        identity = new_identity()
        bundle = directory / "bundle.zip.age"
        with _running(config, directory) as node:
            police = DemoPolice(city, config, clock)
            short = Span(span.to_utc_us - _SHORT_S * 1_000_000, span.to_utc_us)
            short_s, _ = _built(police, short, identity, clock)
            before_s = node.cpu_s()
            node.forget_peak()
            built_s, export = _built(police, span, identity, clock)
            cpu_s, peak_bytes = node.cpu_s() - before_s, node.peak_bytes
            # Once more, for who records meanwhile: their own cost is in no figure above.
            with _Camera(config, clip, clock) as camera:
                idle_ms = camera.took_ms(_IDLE_GROUPS)
                building = police.begin(span, identity.recipient)
                building_ms = camera.took_ms_until(lambda: police.is_ready(building))
            began_ns = clock.mono_ns()
            police.fetch(export, bundle)
            fetched_s = (clock.mono_ns() - began_ns) / NS_PER_S
        bundle_mb = bundle.stat().st_size / 1e6
        segments = sorted(segments_dir(config).rglob("*.mp4"))
        plain_s, plain_cpu_s = _timed(lambda: _plain(segments, directory, identity), clock)
        digest_s, _ = _timed(lambda: _sha256(bundle), clock)
        beliefs = beliefs_of(city, None, identity.secret)
        verified_s, _ = _timed(lambda: verify(bundle, beliefs, clock), clock)
        return ExportFigures(
            recorded_mb=sum(path.stat().st_size for path in segments) / 1e6,
            bundle_mb=bundle_mb,
            built_s=built_s,
            mb_per_s=bundle_mb / built_s,
            cpu_ms_per_mb=cpu_s * 1000 / bundle_mb,
            plain_mb_per_s=bundle_mb / plain_s,
            plain_cpu_ms_per_mb=plain_cpu_s * 1000 / bundle_mb,
            fetched_mb_per_s=bundle_mb / fetched_s,
            verify_mb_per_s=bundle_mb / verified_s,
            sha256_mb_per_s=bundle_mb / digest_s,
            short_ready_s=short_s,
            builder_peak_mb=peak_bytes / 1e6,
            store_idle_ms=median_p95(idle_ms),
            store_building_ms=median_p95(building_ms),
        )


def _config(scene: NodeConfig, directory: Path, city: DemoCity) -> NodeConfig:
    access = msgspec.structs.replace(
        city.access(free_port()), build_bps=_UNBOUND_BPS, exports_max_bytes=_ROOM_BYTES
    )
    return msgspec.structs.replace(
        scene,
        paths=PathsSection(data_dir=str(directory / "data"), run_dir=str(directory / "run")),
        evidence=EvidenceSection(max_bytes=_ROOM_BYTES, max_age_days=3650.0),
        access=access,
    )


def _fill(config: NodeConfig, clip: Path, size_mb: float, clock: Clock) -> Span:
    """Store the clip until the size is reached; recorded in an earlier boot, up to just now."""
    video = read_video(clip.read_bytes())
    units = [picture.unit for picture in video.pictures]
    camera_id = config.sensors[0].name
    past = SimulatedClock(t_utc_ns=0)
    once = list(recorded_gops(camera_id, video.config, units, past))
    clip_s = (once[-1].t_end_mono_us - once[0].t_first_mono_us) / 1e6
    clip_mb = sum(gop.size_bytes for gop in once) / 1e6
    rounds = max(2, round(size_mb / clip_mb))
    now_ns = clock.read().t_utc_ns
    past = SimulatedClock(t_utc_ns=now_ns - round((rounds * clip_s + 60) * NS_PER_S))
    begin_us = past.read().t_utc_ns // NS_PER_US

    def fail(error: RoehError) -> None:
        raise error

    with contextlib.ExitStack() as closing:
        parts = EvidenceParts(config, clock, closing, on_failed=fail)
        recording = Recording(parts, on_lost=fail)
        recording.begin()
        for _ in range(rounds):
            for gop in _again(recorded_gops(camera_id, video.config, units, past), past):
                recording.store(gop)
        recording.close()
    return Span(begin_us, past.read().t_utc_ns // NS_PER_US)


def _again(gops: Iterator[Gop], past: SimulatedClock) -> Iterator[Gop]:
    """Groups of pictures, time passing with each."""
    for gop in gops:
        past.advance((gop.t_end_mono_us - gop.t_first_mono_us) / 1e6)
        yield gop


class _Camera:
    """Hands groups of pictures to evidence as capture does, five a second."""

    def __init__(self, config: NodeConfig, clip: Path, clock: Clock) -> None:
        video = read_video(clip.read_bytes())
        units = [picture.unit for picture in video.pictures]
        self._clock = clock
        self._client = StreamClient(
            evidence_socket(config), Role.CAPTURE, clock, timeout_s=_CALL_TIMEOUT_S
        )
        self._gops = (
            gop
            for _ in itertools.count()
            for gop in recorded_gops(config.sensors[0].name, video.config, units, clock)
        )

    def __enter__(self) -> _Camera:
        """Connected by the first group."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Hang up."""
        self._client.close()

    def took_ms(self, groups: int) -> list[float]:
        """Milliseconds that each of so many groups took until it was acknowledged."""
        return [self._store() for _ in range(groups)]

    def took_ms_until(self, is_over: Callable[[], bool]) -> list[float]:
        """Likewise until something is over, which is asked after every fifth."""
        took_ms: list[float] = []
        while not took_ms or not is_over():
            took_ms += self.took_ms(5)
        return took_ms

    def _store(self) -> float:
        self._clock.wait(_GROUP_EVERY_S)
        began_ns = self._clock.mono_ns()
        self._client.call(Verb.GOP_STORE, StoreGop(next(self._gops)), GopStored)
        return (self._clock.mono_ns() - began_ns) / 1e6


def _built(
    police: DemoPolice, span: Span, identity: AgeIdentity, clock: Clock
) -> tuple[float, Export]:
    """Seconds from the request until the bundle can be fetched; the export."""
    began_ns = clock.mono_ns()
    export = police.begin(span, identity.recipient)
    police.wait_until_ready(export)
    return (clock.mono_ns() - began_ns) / NS_PER_S, export


class _Node:
    """Evidence and retrieve, and what they and their children take."""

    def __init__(
        self, evidence: subprocess.Popen[bytes], retrieve: subprocess.Popen[bytes]
    ) -> None:
        self._evidence, self._retrieve = evidence, retrieve
        self.peak_bytes = 0

    def cpu_s(self) -> float:
        """Of evidence, and of retrieve's children, once all have ended."""
        clock = SystemClock()
        while self._children():
            clock.wait(_POLL_S)
        evidence, retrieve = (_ticks(child.pid) for child in (self._evidence, self._retrieve))
        return (evidence[0] + evidence[1] + retrieve[2] + retrieve[3]) / _TICKS_PER_S

    def forget_peak(self) -> None:
        """Begin to look for the peak anew."""
        self.peak_bytes = 0

    def look(self) -> None:
        """At retrieve's children: the builder."""
        for pid in self._children():
            with contextlib.suppress(OSError):  # one that ends meanwhile
                match = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
                if match:
                    self.peak_bytes = max(self.peak_bytes, int(match[1]) * 1024)

    def _children(self) -> list[str]:
        """Process ids of retrieve's children."""
        found: list[str] = []
        for task in Path(f"/proc/{self._retrieve.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that ends meanwhile
                found += (task / "children").read_text().split()
        return found


def _ticks(pid: int) -> list[int]:
    """User, system, and both of ended children (proc(5), stat, fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


@contextlib.contextmanager
def _running(config: NodeConfig, directory: Path) -> Iterator[_Node]:
    path = directory / "node.toml"
    path.write_text(config_as_toml(config), encoding="utf-8")
    stop = threading.Event()
    with contextlib.ExitStack() as closing:
        children = []
        for role in ("evidence", "retrieve"):
            child = subprocess.Popen(
                [sys.executable, "-m", "roeh", "run", "--config", str(path), "--only", role],
                stdin=subprocess.DEVNULL,
                env=tied_environment(),
            )
            closing.callback(_end, child)
            children.append(child)
        node = _Node(*children)

        def look_on() -> None:
            clock = SystemClock()
            while not clock.wait(_POLL_S, stop):
                node.look()

        looking = threading.Thread(target=look_on, name="peak")
        looking.start()
        closing.callback(looking.join)
        closing.callback(stop.set)
        yield node


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    child.wait()


def _plain(segments: list[Path], directory: Path, identity: AgeIdentity) -> None:
    """Each segment twice into a zip, as a bundle has it, and age over that."""
    reading, writing = os.pipe()

    def zip_all() -> None:
        with os.fdopen(writing, "wb") as sink, zipfile.ZipFile(sink, "w") as archive:
            for copy in ("original", "joined"):
                for path in segments:
                    archive.write(path, f"{copy}/{path.parent.name}/{path.name}")

    zipping = threading.Thread(target=zip_all, name="zip")
    zipping.start()
    with os.fdopen(reading, "rb") as source, (directory / "plain.zip.age").open("wb") as sink:
        pieces = iter(lambda: source.read(_PIECE_BYTES), b"")
        encrypt(pieces, sink, (identity.recipient,))
    zipping.join()


def _sha256(path: Path) -> None:
    with path.open("rb") as file:
        hashed = hashlib.sha256()
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)


def _timed(work: Callable[[], object], clock: Clock) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU."""
    began_ns, began_cpu_ns = clock.mono_ns(), process_cpu_ns()
    work()
    return (
        (clock.mono_ns() - began_ns) / NS_PER_S,
        (process_cpu_ns() - began_cpu_ns) / NS_PER_S,
    )
