"""`roeh demo`: a pole, a broker and a control room, and at the end the count of both sides."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    AlertLost,
    ChecksFailed,
    EvidenceRefused,
    OutputRefused,
    SourceStopped,
    SourceUnreadable,
    error_types,
)
from roeh.core.log import log_for
from roeh.core.peers import NodeStatus
from roeh.demo import pictures
from roeh.demo.broker import choose_broker, free_port
from roeh.demo.city import DemoCity
from roeh.demo.control_room import Arrival, ControlRoom
from roeh.demo.counts import DemoCounts, StoredAlerts, camera_delay_ms, count
from roeh.demo.desk import DemoDesk, wait_until_witnessed, witnessed_records
from roeh.demo.exported import ExportedEvidence, export_from_first_alert
from roeh.demo.footage import DOWNLOAD_TEXT, fetch_footage, footage_at_hand
from roeh.demo.node import DemoNode, is_drained, is_over
from roeh.demo.police import DemoPolice
from roeh.demo.recorded import recorded_evidence
from roeh.demo.scene import composed_scene, file_scene, on_this_machine, panorama_scene
from roeh.demo.screen import JsonScreen, Screen, ShownAlert, TerminalScreen

COMPOSED = "composed"
#: Where the pictures go, below the user's directory, when no other is named.
PICTURES_DIR = "roeh-demo"

_START_PATIENCE_S = 60.0
_DRAIN_PATIENCE_S = 20.0
_ARRIVAL_PATIENCE_S = 5.0
_STATUS_PERIOD_S = 0.2
_POLL_S = 0.05
#: How long an alert is kept off the screen until its thumbnail is there.
_THUMBNAIL_PATIENCE_S = 1.0

_log = log_for("demo")


def run_demo(
    *,
    source: str | None,
    duration_s: float,
    as_json: bool,
    keep: Path | None,
    clock: Clock,
    stop: threading.Event,
    out: TextIO,
) -> int:
    """Run the demo; 0 when every alert raised was delivered.

    Args:
        source: a video file, "composed", or None for real people all round.
        duration_s: how much of the footage.
        as_json: machine-readable output, the counts last.
        keep: where to leave the node's data; None: only the pictures stay.
        clock: the machine's.
        stop: ends it early.
        out: where to speak to.

    Raises:
        RoehError: what is missing or wrong, before anything is started.
        SourceStopped: the footage did not come to its end.
        AlertLost: the product's promise was broken.
        ChecksFailed: not everything was delivered in time, or the video does not verify.
    """
    screen: Screen = JsonScreen(out) if as_json else TerminalScreen(out)
    with _directory(keep) as directory:
        place = Path.cwd() / PICTURES_DIR if keep is None else directory
        pictures.prepare(place)
        name, scene = _scene(source, screen, stop)
        if stop.is_set():
            return EXIT_INTERRUPTED
        demo = _Demo(
            name, scene, directory, place, screen=screen, clock=clock, duration_s=duration_s
        )
        return demo.run(stop)


class _Demo:
    """One run, from starting the broker to the counts."""

    def __init__(
        self,
        name: str,
        scene: NodeConfig,
        directory: Path,
        pictures_dir: Path,
        *,
        screen: Screen,
        clock: Clock,
        duration_s: float,
    ) -> None:
        self._name = name
        self._scene = scene
        self._directory = directory
        self._pictures_dir = pictures_dir
        self._screen = screen
        self._clock = clock
        self._duration_s = duration_s
        self._last_status: NodeStatus | None = None
        self._exported: ExportedEvidence | None = None
        self._arrived: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._unshown: deque[tuple[Arrival, int]] = deque()

    def run(self, stop: threading.Event) -> int:
        """The exit status of the demo."""
        with contextlib.ExitStack() as stack:
            broker = choose_broker(self._clock)
            stack.callback(broker.stop)
            broker.start()
            # A socket's path has to be short, whatever the directory's is.
            run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roeh-run-")))
            desk = DemoDesk(self._directory, broker.port)
            stack.callback(desk.stop)
            desk.start()
            desk.wait_until_there(self._clock, stop)
            config = on_this_machine(
                self._scene,
                self._directory,
                broker_port=broker.port,
                duration_s=self._duration_s,
                run_dir=run_dir,
                desk_keys=desk.keys_file,
            )
            city = DemoCity(self._directory / "city", self._clock)
            config = msgspec.structs.replace(config, access=city.access(free_port()))
            room = ControlRoom(broker.port, self._clock, on_arrival=self._arrived.put)
            stack.callback(room.close)
            room.open()
            self._screen.start(self._name, config, broker.kind, broker.port, self._duration_s)
            city.provision(config)
            police = DemoPolice(city, config, self._clock)
            status = self._run_node(
                config,
                room,
                lambda: export_from_first_alert(
                    police, city, self._pictures_dir, desk.witness, self._clock
                ),
                stop,
            )
            if status and not stop.is_set():
                return _node_failed(status)
            desk.stop()
            counts = self._count(config, room, broker.kind, desk)
            pictures.write(self._pictures_dir, config, room.arrivals, room.thumbnails)
            self._show(room, at_once=True)
            self._screen.end(counts)
        if stop.is_set():
            return EXIT_INTERRUPTED
        if counts.messages_lost:
            raise AlertLost(
                what=f"{counts.messages_lost} of {counts.messages} alert messages did not arrive",
                which=self._name,
                remedy="run again with --keep DIR and report what is in it",
            )
        if counts.messages_waiting:
            raise ChecksFailed(
                what=f"{counts.messages_waiting} of {counts.messages} alert messages are still"
                " on the pole: the control room did not acknowledge them in time",
                which=self._name,
                remedy="try again when the machine is less busy, or with --keep DIR and read"
                " DIR/desk.log",
            )
        if counts.evidence is not None and not counts.evidence.is_sound:
            raise ChecksFailed(
                what=f"the recorded video does not verify ({counts.evidence.findings[0]})",
                which=self._name,
                remedy="run again with --keep DIR and see what roeh verify DIR/data says",
            )
        if counts.exported is not None and not counts.exported.is_sound:
            raise ChecksFailed(
                what=f"the exported bundle does not verify ({'; '.join(counts.exported.findings)})",
                which=counts.exported.file,
                remedy="run again with --keep DIR and report what roeh verify says",
            )
        return EXIT_OK

    def _run_node(
        self,
        config: NodeConfig,
        room: ControlRoom,
        take: Callable[[], ExportedEvidence],
        stop: threading.Event,
    ) -> int:
        """The exit status of the node, which ended in good order."""
        node = DemoNode(config, self._directory, self._clock, quiet=True)
        ended: int | None = None
        try:
            node.start()
            self._follow(node, room, stop)
            ended = node.exit_status
            if ended is None and not stop.is_set():
                wait_until_witnessed(config, self._clock, stop)
                self._export(take)
        finally:
            status = node.stop()
        return status if ended is None else ended

    def _export(self, take: Callable[[], ExportedEvidence]) -> None:
        """Two officers take what was recorded, while the pole runs."""
        self._screen.note("two officers of the demo's police take the evidence from the pole")
        try:
            self._exported = take()
        except EvidenceRefused as error:
            self._screen.note(f"nothing was exported: {error}")

    def _follow(self, node: DemoNode, room: ControlRoom, stop: threading.Event) -> None:
        """Show what arrives until the footage is over and all it gave has left the pole.

        Raises:
            SourceStopped: the footage does not come to its end.
        """
        now_ns = next_status_ns = self._clock.mono_ns()
        over = False
        deadline_ns = now_ns + int((self._duration_s + _START_PATIENCE_S) * NS_PER_S)
        while not stop.is_set() and node.exit_status is None:
            self._show(room)
            now_ns = self._clock.mono_ns()
            if now_ns < next_status_ns:
                continue
            next_status_ns = now_ns + int(_STATUS_PERIOD_S * NS_PER_S)
            status = node.status()
            if status is not None:
                self._last_status = status
                if not over and is_over(status):
                    over, deadline_ns = True, now_ns + int(_DRAIN_PATIENCE_S * NS_PER_S)
                if over and is_drained(status):
                    return
            if now_ns > deadline_ns:
                if over:
                    _log.warning("not everything left the pole in %.0f s", _DRAIN_PATIENCE_S)
                    return
                raise SourceStopped(
                    what="the footage did not come to its end",
                    which=self._name,
                    remedy="read the lines above; run again with --keep DIR and look into it",
                )

    def _show(self, room: ControlRoom, *, at_once: bool = False) -> None:
        """Show what arrived, in order, each alert together with its thumbnail."""
        with contextlib.suppress(queue.Empty):
            arrival = self._arrived.get(block=not at_once, timeout=_POLL_S)
            self._unshown.append((arrival, self._clock.mono_ns()))
            while True:
                self._unshown.append((self._arrived.get_nowait(), self._clock.mono_ns()))
        patience_ns = int(_THUMBNAIL_PATIENCE_S * NS_PER_S)
        while self._unshown:
            arrival, since_ns = self._unshown[0]
            thumbnail = room.thumbnail_of(arrival.alert.id)
            is_whole = thumbnail is not None or arrival.alert.thumbnail_sha256 is None
            if not (is_whole or at_once or self._clock.mono_ns() - since_ns > patience_ns):
                return
            self._unshown.popleft()
            size_bytes = None if thumbnail is None else len(thumbnail)
            self._screen.arrival(
                ShownAlert(arrival.alert, arrival.delay_us, arrival.rule_delay_us, size_bytes)
            )

    def _count(
        self, config: NodeConfig, room: ControlRoom, broker: str, desk: DemoDesk
    ) -> DemoCounts:
        stored = StoredAlerts.of(config)
        # What the broker took may still be on its way to us.
        room.wait_for(stored.sent_ids, _ARRIVAL_PATIENCE_S)
        room.close()
        return count(
            stored,
            room.arrivals,
            desk.committed_ids(),
            scene=self._name,
            broker=broker,
            thumbnails=len(room.thumbnails),
            camera_delay_ms=camera_delay_ms(self._last_status),
            picture=str(self._pictures_dir / pictures.PICTURE_FILE),
            evidence=recorded_evidence(config, desk.witness, self._clock),
            witnessed_records=witnessed_records(config),
            exported=self._exported,
        )


def _scene(source: str | None, screen: Screen, stop: threading.Event) -> tuple[str, NodeConfig]:
    if source == COMPOSED:
        return "drawn people", composed_scene()
    if source is not None:
        return Path(source).name, file_scene(Path(source))
    try:
        if footage_at_hand() is None:
            screen.note(
                f"fetching footage of real people from your Debian mirror ({DOWNLOAD_TEXT})"
            )
        footage = fetch_footage(stop=stop)
    except SourceUnreadable as error:
        screen.note(f"{error}; going on with drawn people")
        return "drawn people", composed_scene()
    return "real people, re-projected all round", panorama_scene(footage)


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """Where the node lives: the user's directory, or one that goes when the demo ends."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="roeh-demo-") as temporary:
            yield Path(temporary)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise OutputRefused(
                what="the directory is not empty",
                which=f"--keep {keep}",
                remedy="name a new directory, so that nothing of yours is mixed with the demo's",
            )
    except OSError as error:
        raise OutputRefused(
            what=f"cannot write ({error.strerror})",
            which=f"--keep {keep}",
            remedy="name a directory that you can write",
        ) from None
    yield keep.resolve()


def _node_failed(status: int) -> int:
    """The node said in its own line what is wrong; end with the same status."""
    if status not in {error.exit_status for error in error_types()}:
        _log.error("the node ended with status %d; the lines above say why", status)
    return status if status > 0 else 1
