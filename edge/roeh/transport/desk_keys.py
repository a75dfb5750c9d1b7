"""desk.keys_file: whom a node believes, a line each.

    ack      haifa-desk+1f2e3d4c+AQ...
    command  haifa-desk-command+...
    witness  police-witness+...+BA...
    alarm    police-witness-alarm+...   (for desks: a node passes over it)

Empty lines and what follows a # are passed over. A key changes by adding the new line, later
removing the old one; evidence reads the file anew when it changes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.errors import ConfigError, KeyRefused
from roeh.ledger.note import WitnessKey, parse_witness_key
from roeh.transport.signed import DeskKey, parse_desk_key

_MAX_FILE_BYTES = 64 * 1024


class DeskKeys(msgspec.Struct, frozen=True):
    """Whose acknowledgements, commands and cosignatures count."""

    ack: tuple[DeskKey, ...] = ()
    command: tuple[DeskKey, ...] = ()
    witness: tuple[WitnessKey, ...] = ()


def read_desk_keys(path: Path) -> DeskKeys:
    """The keys in a file.

    Raises:
        ConfigError: it cannot be read, or a line is not a key for its use.
    """
    try:
        text = path.read_text(encoding="utf-8")[:_MAX_FILE_BYTES]
    except (OSError, ValueError) as error:
        raise ConfigError(
            what=f"cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"desk.keys_file = {path}",
            remedy="give the file of verifier keys that roeh desk keys wrote",
        ) from None
    ack: list[DeskKey] = []
    command: list[DeskKey] = []
    witness: list[WitnessKey] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if len(words) == 2 and words[0] == "ack":
                ack.append(parse_desk_key(words[1]))
            elif len(words) == 2 and words[0] == "command":
                command.append(parse_desk_key(words[1]))
            elif len(words) == 2 and words[0] == "witness":
                witness.append(parse_witness_key(words[1]))
            elif len(words) == 2 and words[0] == "alarm":
                parse_desk_key(words[1])  # nothing to a node; garbled it is told all the same
            else:
                raise _bad_line(path, number, "not a use and a verifier key")
        except KeyRefused as error:
            raise _bad_line(path, number, error.what) from None
    return DeskKeys(tuple(ack), tuple(command), tuple(witness))


def _bad_line(path: Path, number: int, what: str) -> ConfigError:
    return ConfigError(
        what=what,
        which=f"line {number} of {path}",
        remedy="write ack, command or witness, and the key as roeh desk keys shows it",
    )
