"""The command line of `roeh evidence rebuild`: what was restored, and what could not be."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import IO

import msgspec

from roeh.core.clock import Clock, SystemClock
from roeh.core.config import NodeConfig, load_config
from roeh.core.errors import EXIT_OK, ChecksFailed, EvidenceRefused, PeerRefused, one_line
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, ledger_dir, node_database, segments_dir
from roeh.core.peers import Role
from roeh.ledger.rebuild import RebuildProgress, RebuildReport, rebuild, rebuild_reason

TEXT = "Make node.db anew from the ledger's files and the segments; the old one is kept."

#: A process that listens takes a connection at once.
_PATIENCE_S = 0.3

_CHECKPOINTS = {
    "continued": "and the newest checkpoint is of their tree",
    "none": "and no checkpoint to compare them with",
}
_STEPS = {"ledger": "records of the ledger", "files": "cameras' files"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `roeh evidence rebuild`, without the configuration."""
    parser.add_argument("--json", action="store_true", help="one JSON line")


def run_rebuild(chosen: argparse.Namespace) -> int:
    """Rebuild and print; the exit status: that of ChecksFailed when something was lost.

    Raises:
        EvidenceRefused: evidence runs, or there is nothing to rebuild from.
        StorageFull, StorageFailed: it cannot be done; what is there is as it was.
    """
    config, clock = load_config(chosen.config), SystemClock()
    _check_not_running(config, clock)
    places = node_database(config), segments_dir(config), ledger_dir(config)
    reason = rebuild_reason(*places) or "node.db was there"
    is_watched = sys.stderr.isatty()
    report = rebuild(
        *places,
        clock,
        site=config.node.site,
        node=config.node.name,
        reason=f"{reason}; asked for by a person",
        move_aside=True,
        on_progress=_show if is_watched else _show_nothing,
    )
    if is_watched:
        sys.stderr.write("\n")
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _write(reason, report, sys.stdout)
    return ChecksFailed.exit_status if _failures(report) else EXIT_OK


def _check_not_running(config: NodeConfig, clock: Clock) -> None:
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock)
    with contextlib.closing(client):
        try:
            is_running = client.wait_until_there(_PATIENCE_S)
        except PeerRefused:
            is_running = True
    if is_running:
        raise EvidenceRefused(
            what="the node runs, and its store is in use",
            which=str(node_database(config)),
            remedy="stop it first; nothing was changed",
        )


def _write(reason: str, report: RebuildReport, out: IO[str]) -> None:
    compared = _CHECKPOINTS.get(report.checkpoint, "but see below")
    lines = [
        f"{reason}: it was made anew from the files of the ledger and the segments",
        f"  ledger    {report.records} records, {compared}",
        f"  segments  {report.segments} on record",
    ]
    if report.recovered:
        lines.append(
            f"  taken in  {report.recovered} segments with {report.recovered_fragments} GOPs"
            " that no record told of"
        )
    lines += [f"  kept      {name}" for name in report.kept]
    lines += [f"FAIL {failure}" for failure in _failures(report)]
    lines += [
        "Not restored, since no record holds it: messages and thumbnails of alerts, and which"
        " of them were still to be sent.",
        "Start the node: it closes what was being written, and recording goes on.",
    ]
    for line in lines:
        print(one_line(line), file=out)


def _failures(report: RebuildReport) -> list[str]:
    found: list[str] = []
    if report.damaged_from is not None:
        found.append(
            f"the files of the ledger are damaged from record {report.damaged_from} on:"
            " only those before it were restored"
        )
    if report.checkpoint == "cut":
        found.append("the newest checkpoint is of more records than there are: some were taken")
    if report.checkpoint == "forked":
        found.append("the newest checkpoint is of another tree: records were changed")
    found += [f"segments/{path}: on record, and its file is not there" for path in report.lost]
    found += [
        f"segments/{path}: nothing whole is in it; left as it is" for path in report.unreadable
    ]
    return found


def _show(progress: RebuildProgress) -> None:
    """Progress on one line of a terminal."""
    sys.stderr.write(f"\r{progress.done} {_STEPS[progress.step]}\x1b[K")
    sys.stderr.flush()


def _show_nothing(_progress: RebuildProgress) -> None:
    """Nobody is watching."""
