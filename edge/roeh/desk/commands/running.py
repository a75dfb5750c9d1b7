"""`roeh desk run`: the parts of a desk, restarted within limits, or one of them alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from threading import Event

from roeh.core.clock import Clock, SystemClock
from roeh.core.config import DeskConfig, load_desk_config
from roeh.core.errors import EXIT_OK, EXIT_UNEXPECTED
from roeh.core.log import configure_log
from roeh.core.parent import die_with_any_thread, die_with_parent
from roeh.core.stopping import stop_on_signals
from roeh.desk.commands import Adder
from roeh.desk.parts import DeskPart, DeskParts

_PartMain = Callable[[DeskConfig, Clock, Event], None]


def add_actions(add: Adder) -> None:
    """The parts of a desk."""
    parser = add("run", _run, "Run a desk: all its parts, or one of them alone.")
    parser.add_argument(
        "--only", choices=[part.value for part in DeskPart], help="this part alone, unsupervised"
    )


def _run(chosen: argparse.Namespace) -> int:
    stop = stop_on_signals()
    if not die_with_parent():
        return EXIT_UNEXPECTED
    config = load_desk_config(chosen.config)
    clock = SystemClock()
    if chosen.only is None:
        configure_log("desk")
        return DeskParts(config, chosen.config, clock).run(stop)
    configure_log(chosen.only)
    die_with_any_thread()
    _main_of(DeskPart(chosen.only))(config, clock, stop)
    return EXIT_OK


def _main_of(part: DeskPart) -> _PartMain:
    """The main of one part, and only that one imported: the witness never has the database."""
    if part is DeskPart.INGEST:
        from roeh.desk.ingest.main import run_ingest  # noqa: PLC0415

        return run_ingest
    if part is DeskPart.WITNESS:
        from roeh.desk.witness.main import run_witness  # noqa: PLC0415

        return run_witness
    from roeh.desk.republish.main import run_republish  # noqa: PLC0415

    return run_republish
