"""Whom a desk believes as witnesses: a file among its keys, a line a key."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError, KeyRefused
from roeh.desk.keys import keys_dir
from roeh.ledger.note import WitnessKey, parse_witness_key
from roeh.transport.signed import DeskKey, parse_desk_key

WITNESSES_FILE = "witness.keys"


class KnownWitnesses(msgspec.Struct, frozen=True):
    """Whose cosignatures, and whose alarms, this desk believes."""

    cosigners: tuple[WitnessKey, ...] = ()
    alarms: tuple[DeskKey, ...] = ()


def known_witnesses(config: DeskConfig) -> KnownWitnesses:
    """The witnesses in `witness.keys` among the desk's keys; none before it is there.

    Lines `witness <verifier key>` and `alarm <verifier key>`, as roeh desk keys shows them.

    Raises:
        ConfigError: it cannot be read, or a line of it is none.
    """
    path = keys_dir(config) / WITNESSES_FILE
    if not path.exists():
        return KnownWitnesses()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _bad(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    cosigners: list[WitnessKey] = []
    alarms: list[DeskKey] = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        try:
            if len(words) == 2 and words[0] == "witness":
                cosigners.append(parse_witness_key(words[1]))
            elif len(words) == 2 and words[0] == "alarm":
                alarms.append(parse_desk_key(words[1]))
            elif words:
                raise _bad(path, f"line {number} is not a use and a verifier key")
        except KeyRefused as error:
            raise _bad(path, f"line {number}: {error.what}") from None
    return KnownWitnesses(tuple(cosigners), tuple(alarms))


def _bad(path: Path, what: str) -> ConfigError:
    return ConfigError(
        what=what,
        which=str(path),
        remedy="write witness or alarm, and the key as roeh desk keys shows it",
    )
