"""`roeh demo`: a pole, a broker and a control room, and at the end the count of both sides."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import cv2
import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    AlertLost,
    OutputRefused,
    RoehError,
    SourceUnreadable,
    error_types,
)
from roeh.core.log import log_for
from roeh.core.paths import node_database
from roeh.core.types import Alert, AlertPhase
from roeh.demo.broker import Broker, choose_broker
from roeh.demo.control_room import ControlRoom
from roeh.demo.footage import DOWNLOAD_TEXT, fetch_footage, footage_at_hand
from roeh.demo.node import DemoNode
from roeh.demo.overview import polar_picture
from roeh.demo.scene import composed_scene, file_scene, on_this_machine, panorama_scene
from roeh.demo.screen import JsonScreen, Screen, TerminalScreen
from roeh.ledger.alerts import read_alerts
from roeh.ledger.database import open_database

COMPOSED = "composed"
PICTURE_FILE = "polar.png"
THUMBNAILS_DIR = "thumbnails"
_DRAIN_PATIENCE_S = 20.0

_log = log_for("demo")


class DemoCounts(msgspec.Struct, frozen=True):
    """What the pole raised and what the control room got.

    `alerts_raised` are those durable on the pole; `messages` counts updates and clears
    too, and `messages_lost` those of them that never arrived. Delay: from the instant of
    the picture to the subscriber.
    """

    scene: str
    broker: str
    alerts_raised: int
    alerts_delivered: int
    alerts_lost: int
    messages: int
    messages_lost: int
    thumbnails_delivered: int
    delay_median_ms: float | None
    delay_p95_ms: float | None
    picture: str


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
        AlertLost: the product's promise was broken.
    """
    screen: Screen = JsonScreen(out) if as_json else TerminalScreen(out)
    name, scene = _scene(source, screen)
    with _directory(keep) as directory, _running(choose_broker(clock)) as broker:
        config = on_this_machine(scene, directory, broker_port=broker.port, duration_s=duration_s)
        screen.start(name, config, broker.kind, broker.port, duration_s)
        room = ControlRoom(broker.port, clock, on_arrival=screen.arrival)
        room.open()
        node = DemoNode(config, directory, clock)
        try:
            node.start()
            drained = node.wait_until_done(stop, _DRAIN_PATIENCE_S)
            if not drained and not stop.is_set() and node.exit_status is None:
                _log.warning("not everything left the pole in %.0f s", _DRAIN_PATIENCE_S)
        finally:
            status = node.exit_status
            node.stop()
            room.close()
        if status:
            return _node_failed(status)
        counts = _count(name, config, directory, broker, room)
        _write_pictures(config, room, Path(counts.picture))
        screen.end(counts)
    if counts.messages_lost and not stop.is_set():
        raise AlertLost(
            what=f"{counts.messages_lost} of {counts.messages} alert messages did not arrive",
            which=name,
            remedy="run again with --keep DIR and report what is in it",
        )
    return EXIT_INTERRUPTED if stop.is_set() else EXIT_OK


def _scene(source: str | None, screen: Screen) -> tuple[str, NodeConfig]:
    if source == COMPOSED:
        return "drawn people", composed_scene()
    if source is not None:
        return Path(source).name, file_scene(Path(source))
    try:
        if footage_at_hand() is None:
            screen.note(
                f"fetching footage of real people from your Debian mirror ({DOWNLOAD_TEXT})"
            )
        footage = fetch_footage()
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


@contextlib.contextmanager
def _running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _node_failed(status: int) -> int:
    """The node said in its own line what is wrong; end with the same status."""
    known = {error.exit_status: error.code for error in error_types()}
    _log.error("the node ended with status %d (%s)", status, known.get(status, "see above"))
    return status if status > 0 else RoehError.exit_status


def _count(
    scene: str, config: NodeConfig, directory: Path, broker: Broker, room: ControlRoom
) -> DemoCounts:
    """Compare what is durable on the pole with what arrived."""
    stored = _stored(config)
    delivered = room.delivered_ids()
    raised = [alert.id for alert in stored if alert.phase is AlertPhase.RAISED]
    delays_ms = sorted(
        arrival.delay_us / 1000
        for arrival in room.arrivals.values()
        if arrival.alert.phase is AlertPhase.RAISED
    )
    arrived = sum(alert_id in delivered for alert_id in raised)
    return DemoCounts(
        scene=scene,
        broker=broker.kind,
        alerts_raised=len(raised),
        alerts_delivered=arrived,
        alerts_lost=len(raised) - arrived,
        messages=len(stored),
        messages_lost=sum(alert.id not in delivered for alert in stored),
        thumbnails_delivered=len(room.thumbnails),
        delay_median_ms=_quantile(delays_ms, 0.5),
        delay_p95_ms=_quantile(delays_ms, 0.95),
        picture=str(_picture_path(directory)),
    )


def _stored(config: NodeConfig) -> list[Alert]:
    database = open_database(node_database(config))
    try:
        return read_alerts(database)
    finally:
        database.close()


def _picture_path(directory: Path) -> Path:
    """In the kept directory; else where the user is, for the node's directory goes."""
    kept = not directory.name.startswith("roeh-demo-")
    return (directory if kept else Path.cwd() / "roeh-demo") / PICTURE_FILE


def _write_pictures(config: NodeConfig, room: ControlRoom, picture_path: Path) -> None:
    try:
        thumbnails = picture_path.parent / THUMBNAILS_DIR
        thumbnails.mkdir(parents=True, exist_ok=True)
        for old in thumbnails.glob("*.jpg"):
            old.unlink()
        for alert_id, jpeg in room.thumbnails.items():
            arrival = room.arrivals.get(alert_id)
            if arrival is not None:
                name = f"{arrival.alert.seq:04d}-{arrival.alert.rule}.jpg"
                (thumbnails / name).write_bytes(jpeg)
        alerts = [arrival.alert for arrival in room.arrivals.values()]
        picture = polar_picture(config, Path(config.detect.track_log), alerts)
        _, encoded = cv2.imencode(".png", picture)
        picture_path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputRefused(
            what=f"the picture cannot be written ({error.strerror})",
            which=str(picture_path),
            remedy="run the demo from a directory that you can write, or give --keep DIR",
        ) from None


def _quantile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
