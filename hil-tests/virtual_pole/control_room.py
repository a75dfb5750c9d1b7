"""What the control room knows, asked of its desk as an operator would."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from virtual_pole.ceremony import Keys
from virtual_pole.commands import output
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.street import CONTROL_ROOM, Street
from virtual_pole.troubles import PoleFailed

DESK_FILE = "/etc/roeh/desk.toml"
_DESK = "cd / && sudo -n -u roeh-desk roeh desk"
_POLES_PORT = 8883
_POLL_S = 0.3
_STRANGER = Path(__file__).with_name("stranger.py")
#: OpenSSL's alert for who shows no certificate, or mosquitto's end of the connection instead.
_REFUSALS = ("refused: ", "hung up")


class Alarm(msgspec.Struct, frozen=True):
    """An alarm as `roeh desk alarms --json` tells it, as far as it is looked at here.

    Attributes:
        found_by_desk: of the desk's own finding, as a pole that is silent.
    """

    id: str
    node: str
    rule: str | None
    found_by_desk: bool


def alarms(desk: Machine) -> tuple[Alarm, ...]:
    """Every alarm that the desk has.

    Raises:
        PoleFailed: the desk does not answer, or not as it should.
    """
    said = desk.run(f"{_DESK} alarms -c {DESK_FILE} --state all --single --json")
    try:
        return tuple(msgspec.json.decode(line, type=Alarm) for line in said.splitlines())
    except msgspec.DecodeError as error:
        raise PoleFailed(f"the desk's alarms are not what they should be: {error}") from None


def first_alarm(desk: Machine, node: str, patience_s: float, clock: Clock) -> Alarm:
    """Wait for an alarm that a pole's rule raised.

    Args:
        desk: the control room.
        node: the pole's name.
        patience_s: how long.
        clock: what time it is.

    Raises:
        PoleFailed: none came in time.
    """
    deadline_ns = clock.mono_ns() + int(patience_s * NS_PER_S)
    while True:
        for alarm in alarms(desk):
            if alarm.node == node and not alarm.found_by_desk:
                return alarm
        if clock.mono_ns() > deadline_ns:
            raise PoleFailed(f"no alarm of {node} at the control room within {patience_s:g} s")
        clock.wait(_POLL_S)


def check_audit(desk: Machine) -> None:
    """Have the desk recompute the whole audit of who looked at what.

    Raises:
        PoleFailed: it is not what was signed.
    """
    desk.run(f"{_DESK} audit -c {DESK_FILE} --check")


def refusal_of_strangers(street: Street, keys: Keys, name: str) -> str:
    """What the broker says to somebody at the pole's place without a certificate.

    Args:
        street: whose.
        keys: the city's: whom the stranger takes for the broker.
        name: the machine from whose network it is tried.

    Raises:
        PoleFailed: they are let in, or nobody answers at all.
    """
    broker = street.place(CONTROL_ROOM).address
    root = keys.stick / "services/broker-ca.pem"
    command = (sys.executable, str(_STRANGER), broker, str(_POLES_PORT), str(root))
    said = output(in_namespace(street.namespace(name), *command)).strip()
    if not said.startswith(_REFUSALS):
        raise PoleFailed(f"without a certificate the broker's answer is: {said}")
    return said
