"""Whom this node believes: desk.keys_file, read again when it changes."""

from __future__ import annotations

import threading
from pathlib import Path

from roeh.core.config import NodeConfig, ack_mode
from roeh.core.errors import ConfigError
from roeh.core.log import log_for
from roeh.evidence.seen_file import SeenFile, look_at
from roeh.transport.desk_keys import DeskKeys, read_desk_keys

_log = log_for("evidence")


class DeskTrust:
    """The keys in force. Safe to call from several threads.

    A file that cannot be read any more, or no longer makes sense, takes nothing away and adds
    nothing: the keys before it stay in force, and an alarm says so. A key is taken away by
    a file without it.

    Raises:
        ConfigError: the file cannot be read at the start.
    """

    def __init__(self, config: NodeConfig) -> None:
        self._path = Path(config.desk.keys_file) if config.desk.keys_file else None
        self._needs_ack_key = ack_mode(config) == "desk"
        self._lock = threading.Lock()
        self._seen: SeenFile | None = None
        self._alarm: str | None = None
        self._keys = DeskKeys()
        if self._path is not None:
            # In this order: a change between the two is looked at again, not missed.
            self._seen = look_at(self._path)
            self._keys = read_desk_keys(self._path)

    def keys(self) -> DeskKeys:
        """The keys as the file has them now; none without a file."""
        if self._path is None:
            return self._keys
        with self._lock:
            seen = look_at(self._path)
            if seen is None or seen != self._seen:
                self._read_again(self._path, seen)
            return self._keys

    def alarms(self) -> tuple[str, ...]:
        """What a person should know, a line each."""
        keys = self.keys()
        found = [] if self._alarm is None else [self._alarm]
        if self._needs_ack_key and not keys.ack:
            found.append(
                f"no key for acknowledgements in {self._path}: nothing leaves the outbox;"
                " add the ack line that roeh desk keys shows"
            )
        return tuple(found)

    def _read_again(self, path: Path, seen: SeenFile | None) -> None:
        try:
            keys = read_desk_keys(path)
        except ConfigError as error:
            alarm = f"{error}; the keys before stay in force"
            if alarm != self._alarm:
                _log.error("%s", alarm)
            self._alarm = alarm
            # One that cannot be read is tried each time: its mode may change, and not its time.
            self._seen = None
            return
        self._keys, self._seen, self._alarm = keys, seen, None
        _log.info(
            "%s was read again: %d keys for acknowledgements, %d for commands, %d witnesses",
            path,
            len(keys.ack),
            len(keys.command),
            len(keys.witness),
        )
