"""The demo's control room: `roeh desk run` as a child, and what its database and witness have."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import (
    DeskBroker,
    DeskConfig,
    DeskPaths,
    NodeConfig,
    WitnessSection,
    config_as_toml,
)
from roeh.core.errors import EvidenceRefused
from roeh.core.parent import tied_environment
from roeh.core.paths import ledger_dir
from roeh.desk.commands.keys import desk_key_lines, witness_key_lines
from roeh.desk.keys import keys_dir
from roeh.desk.known_witnesses import WITNESSES_FILE
from roeh.desk.store import DATABASE_FILE, open_desk_store
from roeh.desk.witness.key import read_witness_keys
from roeh.ledger.checkpoints import CHECKPOINT_FILE, COSIGNED_FILE
from roeh.ledger.note import WitnessKey, parse_checkpoint, parse_note

CONFIG_FILE = "desk.toml"
_KEYS_FILE = "desk.keys"
_START_PATIENCE_S = 10.0
#: The node shows its ledger to witnesses each five seconds.
_WITNESS_PATIENCE_S = 12.0
_POLL_S = 0.05
_STOP_TIMEOUT_S = 20.0


class _Id(msgspec.Struct, frozen=True):
    id: str


class DemoDesk:
    """A control room on this machine, with a SQLite database and a witness of its own."""

    def __init__(self, directory: Path, broker_port: int) -> None:
        home = directory / "desk"
        home.mkdir(mode=0o700)
        self._config = DeskConfig(
            name="demo",
            paths=DeskPaths(data_dir=str(home)),
            broker=DeskBroker(port=broker_port),
            # A demo's machine may have no time server; a city's witness needs one.
            witness=WitnessSection(
                name="demo-witness", state_dir=str(home / "witness"), allow_unsynchronised=True
            ),
        )
        self._config_path = directory / CONFIG_FILE
        self._config_path.write_text(config_as_toml(self._config), encoding="utf-8")
        self.keys_file = directory / _KEYS_FILE
        desk_lines, witness_lines = desk_key_lines(self._config), witness_key_lines(self._config)
        _write_lines(self.keys_file, [*desk_lines, *witness_lines])
        # The witness signs the desk's audit too, and the desk believes its alarms.
        _write_lines(keys_dir(self._config) / WITNESSES_FILE, witness_lines)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def witness(self) -> WitnessKey:
        """Whose cosignatures count."""
        section = self._config.witness
        return read_witness_keys(Path(section.state_dir), section.name).witness

    def start(self) -> None:
        """Start `roeh desk run`; it ends when we do."""
        with (self._config_path.parent / "desk.log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "roeh", "desk", "run", "-c", str(self._config_path)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env=tied_environment(),
            )

    def wait_until_there(self, clock: Clock, stop: threading.Event) -> None:
        """Give it a moment to start: it needs the processor that detection is to have."""
        database = Path(self._config.paths.data_dir) / DATABASE_FILE
        deadline_ns = clock.mono_ns() + int(_START_PATIENCE_S * NS_PER_S)
        while not database.exists() and clock.mono_ns() < deadline_ns:
            if clock.wait(_POLL_S, stop):
                return

    def stop(self) -> None:
        """End it in good order."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def committed_ids(self) -> frozenset[str]:
        """The alert messages that are in the desk's database."""
        store = open_desk_store(self._config, may_make=False)
        try:
            with store.reading() as transaction:
                rows = transaction.select(_Id, "SELECT id FROM alert")
        finally:
            store.close()
        return frozenset(row.id for row in rows)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def witnessed_records(config: NodeConfig) -> int:
    """How many records of the node's ledger a witness has seen."""
    return _size_of(config, COSIGNED_FILE)


def wait_until_witnessed(config: NodeConfig, clock: Clock, stop: threading.Event) -> None:
    """Give the witness a moment to see all that the node has signed so far."""
    deadline_ns = clock.mono_ns() + int(_WITNESS_PATIENCE_S * NS_PER_S)
    while witnessed_records(config) < _size_of(config, CHECKPOINT_FILE):
        if clock.mono_ns() > deadline_ns or clock.wait(_POLL_S, stop):
            return


def _size_of(config: NodeConfig, file: str) -> int:
    try:
        note = (ledger_dir(config) / file).read_text(encoding="utf-8")
        return parse_checkpoint(parse_note(note).text).size
    except (OSError, EvidenceRefused):
        return 0
