"""The command line: what can be asked, parsed and handed to the package that does it.

Each command imports what it needs when it is used, so that a small process stays small.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import logging
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from roeh import __version__
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_UNEXPECTED,
    EXIT_USAGE,
    OutputRefused,
    RoehError,
)
from roeh.core.peers import PROCESSES, Role
from roeh.core.stopping import stop_on_signals

_MAX_SECONDS = 7 * 24 * 3600
_EPILOG = "Exit statuses: 0 done, 2 wrong usage, others: edge/docs/errors.md."

Command = Callable[[argparse.Namespace], int]
ProcessMain = Callable[[NodeConfig, Clock, threading.Event], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    # Our matrices are small: numpy's own threads would cost more than they save. Set
    # before numpy is imported, for this process and those it starts.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no degree sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    command: Command | None = getattr(chosen, "command", None)
    if command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        return _completely(command, chosen)
    except RoehError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        _discard_output()
        return EXIT_OK
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _discard_output()
        return _fail(_no_room(error))


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="roeh",
        description="Roeh, the seeing pole: 360 degree detection and located alerts.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"roeh {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_LaterParser)
    _add_demo(commands)
    _add_run(commands)
    _add_config(commands)
    _add_models(commands)
    _add_doctor(commands)
    _add_replay(commands)
    _add_detect(commands)
    _add_watch(commands)
    _add_later(
        commands,
        "calibrate",
        "Find a camera's lens and how it hangs, and see on a live picture whether it is right.",
        "roeh.calibrate.commands",
    )
    _add_later(
        commands,
        "commission",
        "A pole as a technician leaves it, as PDF: pictures, compass check, findings, versions.",
        "roeh.commission.command",
    )
    _add_later(
        commands,
        "evidence",
        "Look after recorded video: list, show, timeline, hold, release, clip, check, rebuild.",
        "roeh.custody.commands",
    )
    _add_later(
        commands,
        "tune",
        "Try changed rules on a day of recorded footage: what would have been raised.",
        "roeh.tune.command",
    )
    _add_later(
        commands,
        "verify",
        "Verify recorded video offline: bytes intact, signer trusted, complete, time anchored.",
        "roeh.verify.commands",
    )
    _add_later(
        commands,
        "keys",
        "Make, show, install, rotate and revoke keys: of poles, brokers, persons, trust lists.",
        "roeh.access.key_commands",
    )
    _add_later(
        commands,
        "desk",
        "A control room: take in what poles say, alarms, orders, audit, witness.",
        "roeh.desk.commands",
    )
    _add_later(
        commands,
        "police",
        "Ask a pole for evidence, agree to it as a second person, fetch, verify and open it.",
        "roeh.police.commands",
    )
    _add_later(
        commands,
        "usb",
        "Exports by disk: prepare one for a pole, answer one that was put in.",
        "roeh.usb.commands",
    )
    _add_later(
        commands,
        "release",
        "Releases on this machine: install one from a bundle, try it, return to the one before.",
        "roeh.release.commands",
    )
    _add_later(
        commands,
        "view",
        "A picture for people: panorama, quad or virtual camera, with rings, bearings and boxes.",
        "roeh.view.command",
    )
    return parser


def _completely(command: Command, chosen: argparse.Namespace) -> int:
    """Run it and write out what it said, so that a failure of that is told like any other."""
    status = command(chosen)
    print(end="", flush=True)
    return status


def _fail(error: RoehError) -> int:
    print(error.line(), file=sys.stderr)
    return error.exit_status


def _no_room(error: OSError) -> OutputRefused:
    return OutputRefused(
        what=f"cannot write ({error.strerror})",
        which=str(error.filename or "standard output"),
        remedy="free space there, or write to another place",
    )


def _discard_output() -> None:
    """What could not be written is not tried once more when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


_Commands = argparse._SubParsersAction


def _add(
    commands: _Commands[_LaterParser], name: str, text: str, command: Command
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, epilog=_EPILOG)
    parser.set_defaults(command=command)
    return parser


class _LaterParser(argparse.ArgumentParser):
    """Asks its command's own package for its arguments when it is chosen, not before."""

    module = ""

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads add nothing here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As its base does, with the arguments."""
        if self.module:
            package, self.module = importlib.import_module(self.module), ""
            package.add_arguments(self)
            self.set_defaults(command=package.run)
        return super().parse_known_args(args, namespace)


def _add_later(commands: _Commands[_LaterParser], name: str, text: str, module: str) -> None:
    parser = commands.add_parser(name, help=text, description=text, epilog=_EPILOG)
    parser.module = module


def _add_demo(commands: _Commands[_LaterParser]) -> None:
    text = "A whole pole on this machine: people seen, alerts located, delivered and counted."
    parser = _add(commands, "demo", text, _demo)
    parser.add_argument(
        "--source",
        metavar="FILE",
        help="your own ordinary video instead of the panorama; 'composed' for drawn people",
    )
    parser.add_argument(
        "--seconds",
        type=_duration_s,
        default=40.0,
        metavar="N",
        help="how much footage, default 40",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable lines")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="leave the node's data and pictures here"
    )


def _add_run(commands: _Commands[_LaterParser]) -> None:
    text = "Run a node: all its processes, restarted within limits, or one of them alone."
    parser = _add(commands, "run", text, _run)
    _add_config_option(parser, required=True)
    processes = [role.value for role in PROCESSES]
    parser.add_argument("--only", choices=processes, help="this process alone, unsupervised")
    parser.add_argument("--quiet", action="store_true", help="only what goes wrong, no states")


def _add_config(commands: _Commands[_LaterParser]) -> None:
    text = "Show a configuration with every default, or check it."
    parser = _add(commands, "config", text, _config)
    parser.add_argument("action", choices=("show", "check"))
    _add_config_option(parser, required=True)


def _add_models(commands: _Commands[_LaterParser]) -> None:
    text = "List the detection models and check them against the manifest."
    parser = _add(commands, "models", text, _models)
    parser.add_argument("--dir", type=Path, metavar="DIR", help="another models directory")
    parser.add_argument("--json", action="store_true", help="one JSON line per model")


def _add_doctor(commands: _Commands[_LaterParser]) -> None:
    text = "Say in plain words what is wrong with this machine or node, and the remedy."
    parser = _add(commands, "doctor", text, _doctor)
    _add_config_option(parser, required=False)
    parser.add_argument("--json", action="store_true", help="one JSON line per check")


def _add_replay(commands: _Commands[_LaterParser]) -> None:
    text = "Analyse a video offline, always with the same result: tracks, alerts, thumbnails."
    parser = _add(commands, "replay", text, _replay)
    parser.add_argument("video", type=Path, metavar="VIDEO")
    _add_config_option(parser, required=False)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go here")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON line")


def _add_detect(commands: _Commands[_LaterParser]) -> None:
    text = "What the detector sees in a picture, or in each picture of a directory."
    parser = _add(commands, "detect", text, _detect)
    parser.add_argument("image", type=Path, metavar="IMAGE_OR_DIR")
    parser.add_argument(
        "--lens", required=True, metavar="LENS.toml|none", help="'none' for ordinary pictures"
    )
    parser.add_argument(
        "--min-confidence", type=_share, default=0.35, metavar="C", help="default 0.35"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="see roeh models")
    parser.add_argument("--json", action="store_true", help="one JSON line per picture")


def _add_watch(commands: _Commands[_LaterParser]) -> None:
    text = "Live alerts of every pole, as a control room sees them."
    parser = _add(commands, "watch", text, _watch)
    parser.add_argument("--broker", required=True, metavar="URL", help="mqtt://host:port")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep alerts and thumbnails here")
    parser.add_argument("--json", action="store_true", help="one JSON line per alert")


def _add_config_option(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, required=required, metavar="NODE.toml", help="the node"
    )


def _duration_s(text: str) -> float:
    value = _number(text)
    if not 0 < value <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"must be greater than 0, at most {_MAX_SECONDS}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _demo(chosen: argparse.Namespace) -> int:
    from roeh.core.clock import SystemClock
    from roeh.core.log import configure_log
    from roeh.demo.main import run_demo

    configure_log("demo")
    return run_demo(
        source=chosen.source,
        duration_s=chosen.seconds,
        as_json=chosen.json,
        keep=chosen.keep,
        clock=SystemClock(),
        stop=stop_on_signals(),
        out=sys.stdout,
    )


def _run(chosen: argparse.Namespace) -> int:
    from roeh.core.clock import SystemClock
    from roeh.core.config import load_config
    from roeh.core.log import configure_log
    from roeh.core.parent import die_with_any_thread, die_with_parent
    from roeh.core.users import told_clock

    stop = stop_on_signals()
    if not die_with_parent():
        return EXIT_UNEXPECTED
    config = load_config(chosen.config)
    clock = SystemClock()
    if chosen.only is None:
        from roeh.supervise.main import Supervisor

        configure_log("run")
        _only_warnings(chosen.quiet)
        supervisor = Supervisor(
            config,
            chosen.config,
            clock,
            on_state=_say_nothing if chosen.quiet else _say_state,
            quiet=chosen.quiet,
        )
        return supervisor.run(stop)
    configure_log(chosen.only)
    _only_warnings(chosen.quiet)
    die_with_any_thread()
    role = Role(chosen.only)
    if role is not Role.EVIDENCE:
        clock = SystemClock(told_clock(config))
    return _process(role)(config, clock, stop)


def _only_warnings(wanted: bool) -> None:
    if wanted:
        logging.getLogger("roeh").setLevel(logging.WARNING)


def _say_state(line: str) -> None:
    print(f"roeh run: {line}", file=sys.stderr, flush=True)


def _say_nothing(_line: str) -> None:
    """The state is not to be shown."""


def _process(role: Role) -> ProcessMain:
    """The main of one process, and only that one imported."""
    if role is Role.CAPTURE:
        from roeh.capture.main import run as capture

        return capture
    if role is Role.DETECT:
        from roeh.detect.main import run as detect

        return detect
    if role is Role.EVIDENCE:
        from roeh.evidence.main import run as evidence

        return evidence
    if role is Role.PUBLISH:
        from roeh.publish.main import run as publish

        return publish
    from roeh.retrieve.main import run as retrieve

    return retrieve


def _config(chosen: argparse.Namespace) -> int:
    from roeh.core.config import config_as_toml, load_config

    config = load_config(chosen.config)
    if chosen.action == "show":
        print(config_as_toml(config), end="")
    else:
        print(f"{chosen.config}: valid; node {config.node.site}/{config.node.name}")
        if config.node.north_from == "compass":
            print("  but north is from a compass alone; measure: roeh calibrate pose --points FILE")
    return EXIT_OK


def _models(chosen: argparse.Namespace) -> int:
    from roeh.vision.listing import print_models

    return print_models(chosen.dir, as_json=chosen.json, out=sys.stdout)


def _doctor(chosen: argparse.Namespace) -> int:
    from roeh.core.clock import SystemClock
    from roeh.core.config import load_config
    from roeh.doctor.main import run_doctor

    config = load_config(chosen.config) if chosen.config is not None else None
    return run_doctor(config, as_json=chosen.json, clock=SystemClock(), out=sys.stdout)


def _replay(chosen: argparse.Namespace) -> int:
    from roeh.core.config import load_config
    from roeh.core.log import configure_log
    from roeh.detect.replay import run_replay

    configure_log("replay")
    config = load_config(chosen.config) if chosen.config is not None else None
    return run_replay(
        chosen.video,
        config,
        chosen.out,
        as_json=chosen.json,
        stop=stop_on_signals(),
        out=sys.stdout,
    )


def _detect(chosen: argparse.Namespace) -> int:
    from roeh.detect.results import write_results
    from roeh.detect.stills import detect_stills, pictures_at

    lens = None if chosen.lens == "none" else Path(chosen.lens)
    results = detect_stills(
        pictures_at(chosen.image), lens, model=chosen.model, min_confidence=chosen.min_confidence
    )
    write_results(results, as_json=chosen.json, out=sys.stdout)
    return EXIT_OK


def _watch(chosen: argparse.Namespace) -> int:
    from roeh.core.clock import SystemClock
    from roeh.core.log import configure_log
    from roeh.desk.watch.command import run_watch

    configure_log("watch")
    return run_watch(
        chosen.broker,
        chosen.save,
        as_json=chosen.json,
        clock=SystemClock(),
        stop=stop_on_signals(),
        out=sys.stdout,
    )
