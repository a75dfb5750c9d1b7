"""The command line of `roeh tune`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import cv2
import msgspec

from roeh.core.clock import SystemClock
from roeh.core.config import NodeConfig, load_config
from roeh.core.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    ChecksFailed,
    ConfigError,
    EvidenceRefused,
    one_line,
)
from roeh.core.log import configure_log
from roeh.core.stopping import stop_on_signals
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.changed import load_changed
from roeh.tune.local_time import moment_us
from roeh.tune.opening import FootageWanted
from roeh.tune.outcome import Outcome
from roeh.tune.page import write_page
from roeh.tune.pictures import Pictures
from roeh.tune.telling import kept_line, print_outcome
from roeh.tune.trying import Try

#: Behind everything else that the machine does.
_NICE = 19
_FOREVER = UtcSpan(0, 2**53)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="as the node is"
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="CHANGED.toml",
        help="the tables that change (rules, zones, lines, schedules, operations), or a whole"
        " node.toml; left away: nothing changes",
    )
    parser.add_argument(
        "--from", dest="since", metavar="TIME", help="as the clock shows it there, or with a Z"
    )
    parser.add_argument(
        "--to", dest="until", metavar="TIME", help="its end; default: the newest day recorded"
    )
    parser.add_argument("--camera", metavar="NAME", help="this one alone; default: all together")
    parser.add_argument(
        "--video", type=Path, metavar="FILE", help="a clip or any video instead of the recording"
    )
    parser.add_argument(
        "--begins", metavar="TIME", help="when the video's first picture was taken, for hours"
    )
    parser.add_argument(
        "--fps", type=_fps, metavar="N", help="pictures a second looked at; default: as detection"
    )
    parser.add_argument(
        "--save-tracks",
        type=Path,
        metavar="DIR",
        help="keep tracks here: the next try takes seconds, an interrupted one goes on",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a page with pictures of what is gained and lost"
    )
    parser.add_argument("--person", default="", metavar="NAME", help="who looks; default: the user")
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON line")


def run(chosen: argparse.Namespace) -> int:
    """Look, judge, compare, tell; the exit status: that of ChecksFailed when some was damaged.

    Raises:
        RoehError: what is wrong.
    """
    configure_log("tune")
    os.nice(_NICE)
    cv2.setNumThreads(1)
    stop = stop_on_signals()
    config = _with_options(load_config(chosen.config), chosen)
    changed = config if chosen.rules is None else load_changed(chosen.rules, config)
    with contextlib.ExitStack() as stack:
        directory = chosen.save_tracks
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roeh-tune-")))
        attempt = Try(config, changed, directory, SystemClock(), stop)
        if chosen.video is not None:
            begin_us = _begin_us(config, changed, chosen)
            attempt.look_at_video(chosen.video, chosen.camera, begin_us)
        else:
            attempt.look_at_recording(_wanted(config, chosen))
        if stop.is_set():
            return EXIT_INTERRUPTED
        outcome = attempt.outcome(_judged(config, chosen))
        page = None if chosen.out is None else _page(attempt, outcome, config, changed, chosen)
        if chosen.json:
            sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
        else:
            print_outcome(outcome, config, sys.stdout)
            if page is not None:
                sys.stdout.write(f"page: {one_line(str(page))}\n")
            if chosen.save_tracks is not None:
                sys.stdout.write(kept_line(str(directory), attempt.kept.bytes_kept()) + "\n")
    return ChecksFailed.exit_status if outcome.damages else EXIT_OK


def _page(
    attempt: Try,
    outcome: Outcome,
    config: NodeConfig,
    changed: NodeConfig,
    chosen: argparse.Namespace,
) -> Path:
    out: Path = chosen.out
    if chosen.video is not None:
        begin_us = _begin_us(config, changed, chosen)
        footage = attempt.video(chosen.video, chosen.camera, begin_us)
        return write_page(out, outcome, config, Pictures(footage, config))
    with attempt.recording(_wanted(config, chosen)) as footage:
        return write_page(out, outcome, config, Pictures(footage, config))


def _with_options(config: NodeConfig, chosen: argparse.Namespace) -> NodeConfig:
    """The node as it is looked at here: one thread, maybe fewer pictures, maybe one camera."""
    detect = msgspec.structs.replace(config.detect, threads=1)
    if chosen.fps is not None:
        detect = msgspec.structs.replace(detect, fps=chosen.fps)
    sensors = config.sensors
    if chosen.camera is not None:
        sensors = tuple(one for one in sensors if one.name == chosen.camera)
        if not sensors:
            raise ConfigError(
                what="the node has no such camera",
                which=chosen.camera,
                remedy=f"name one of: {', '.join(one.name for one in config.sensors)}",
            )
    return msgspec.structs.replace(config, detect=detect, sensors=sensors)


def _begin_us(config: NodeConfig, changed: NodeConfig, chosen: argparse.Namespace) -> int:
    if chosen.begins is None:
        if any(rule.schedule or rule.operation for rule in (*config.rules, *changed.rules)):
            raise EvidenceRefused(
                what="rules have hours, and a video does not tell when it was taken",
                which=str(chosen.video),
                remedy="give --begins, when its first picture was taken",
            )
        return 0
    return moment_us(chosen.begins, config.node.time_zone, "--begins")


def _wanted(config: NodeConfig, chosen: argparse.Namespace) -> FootageWanted:
    since, until = _asked(config, chosen)
    return FootageWanted(since, until, chosen.person)


def _judged(config: NodeConfig, chosen: argparse.Namespace) -> UtcSpan:
    since, until = _asked(config, chosen)
    return UtcSpan(
        _FOREVER.from_us if since is None else since, _FOREVER.to_us if until is None else until
    )


def _asked(config: NodeConfig, chosen: argparse.Namespace) -> tuple[int | None, int | None]:
    zone = config.node.time_zone
    return (
        None if chosen.since is None else moment_us(chosen.since, zone, "--from"),
        None if chosen.until is None else moment_us(chosen.until, zone, "--to"),
    )


def _fps(text: str) -> float:
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 0.1 <= fps <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from 0.1 to 60")
    return fps
