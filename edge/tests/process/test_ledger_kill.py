"""Killed at any moment, the ledger holds every checkpoint that was ready to leave the pole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roeh.ledger import merkle
from roeh.ledger.mirror import MirrorWhole
from roeh.ledger.mirror_parts import list_parts, read_lines
from roeh.ledger.note import parse_checkpoint, parse_note
from tests.ledgers import Ledger
from tests.trees import Tree

_EDGE = Path(__file__).parents[2]

#: Appends, renews, and says which checkpoint may leave, as fast as it can.
_RUNNING = """
import pathlib, sys
from roeh.ledger.checkpoints import Checkpoints
from tests.ledgers import FileLogKey, Ledger

ledger = Ledger(pathlib.Path(sys.argv[1]), records_per_part=7)
ledger.mirror.reconcile()
checkpoints = Checkpoints(
    ledger.database, ledger.log, ledger.mirror, FileLogKey(), ledger.clock
)
while True:
    for count in (1, 5, 2):
        ledger.append(count, detail="x" * 3000)
        checkpoints.renew()
        _, size, root = checkpoints.newest().splitlines()[:3]
        print(size, root, flush=True)
"""


@pytest.mark.parametrize("published", [1, 3, 8, 20])
def test_what_was_ready_to_leave_is_in_database_mirror_and_file(tmp_path, published):
    said = run_until_killed(tmp_path, published)

    ledger = Ledger(tmp_path, records_per_part=7)
    try:
        checkpoint = parse_checkpoint(
            parse_note((tmp_path / "ledger" / "checkpoint").read_text("utf-8")).text
        )
        mirrored = mirror_tree(tmp_path / "ledger")
        assert checkpoint.size >= max(size for size, _ in said)
        assert mirrored.size >= checkpoint.size
        assert ledger.size >= mirrored.size
        for size, root in said:
            assert merkle.root(size, mirrored.read) == root == ledger.root(size)
        with ledger.database.reading() as connection:
            assert ledger.log.check(connection, 0, ledger.size) is None
        found = ledger.mirror.reconcile()
        assert isinstance(found, MirrorWhole)
        assert (found.size, found.lost_under_checkpoint) == (ledger.size, 0)
        assert found.kept is None
    finally:
        ledger.close()


def run_until_killed(directory, published):
    """(size, root) of every checkpoint that it said may leave."""
    with subprocess.Popen(
        [sys.executable, "-c", _RUNNING, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(_EDGE)},
    ) as process:
        lines = [process.stdout.readline() for _ in range(published)]
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout if line.endswith("\n")]
    notes = [parse_checkpoint(f"origin\n{line.replace(' ', chr(10))}") for line in lines]
    return [(note.size, note.root) for note in notes]


def mirror_tree(directory):
    """The tree of the whole lines that the kill left."""
    tree = Tree()
    for part in list_parts(directory):
        for line in read_lines(directory / f"{part:06}.jsonl"):
            if line.endswith(b"\n"):
                tree.append(merkle.leaf_hash(line[:-1]))
    return tree
