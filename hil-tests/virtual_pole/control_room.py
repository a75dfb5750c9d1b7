"""What the control room knows, asked of its desk as an operator would."""

from __future__ import annotations

import msgspec

from virtual_pole.machine import Machine
from virtual_pole.troubles import PoleFailed

DESK = "sudo -n -u roeh-desk roeh desk"
DESK_FILE = "/etc/roeh/desk.toml"
POLES_PORT = 8883
_POLL_S = 0.3
_HANDSHAKE_PATIENCE_S = 20.0


class Alarm(msgspec.Struct, frozen=True):
    """An alarm as `roeh desk alarms --json` tells it, as far as it is looked at here."""

    id: str
    site: str
    node: str


def alarms(control_room: Machine) -> tuple[Alarm, ...]:
    """Every alarm that the desk has.

    Raises:
        PoleFailed: the desk does not answer, or not as it should.
    """
    said = control_room.run(f"{DESK} alarms -c {DESK_FILE} --state all --single --json")
    try:
        return tuple(msgspec.json.decode(line, type=Alarm) for line in said.splitlines())
    except msgspec.DecodeError as error:
        raise PoleFailed(f"the desk's alarms are not what they should be: {error}") from None
