"""What Ansible is told of one street beside inventories/virtual: keys, bundle, boards."""

from __future__ import annotations

from pathlib import Path

import msgspec

from virtual_pole.ceremony import DESK, OPERATOR, Keys
from virtual_pole.commands import packed
from virtual_pole.machine import Machine
from virtual_pole.street import CONTROL_ROOM, REPOSITORY, Street

RELEASE_CA = REPOSITORY / "build/release/trial/release-ca.pem"
STICK = "/media/stick"


def write(street: Street, bundle: Path) -> None:
    """The second inventory, and the folder of what the laptop knows of the city.

    Args:
        street: whose.
        bundle: the prepared one.
    """
    trust = street.state / "trust"
    trust.mkdir(exist_ok=True)
    (trust / "release-ca.pem").write_bytes(RELEASE_CA.read_bytes())
    everybody = {
        "ansible_user": "technician",
        "ansible_ssh_common_args": f"-F {street.ssh_config}",
        "roeh_bundle": str(bundle),
        "roeh_trust_dir": str(trust),
    }
    desk = {
        "roeh_desk_name": DESK,
        "roeh_broker_host": street.place(CONTROL_ROOM).address,
        "roeh_broker_operators": [OPERATOR],
        "roeh_handover": STICK,
    }
    poles = [name for name in street.names if name != CONTROL_ROOM]
    document = {
        "all": {
            "vars": everybody,
            "children": {
                "control_room": {"hosts": {CONTROL_ROOM: desk}},
                "poles": {
                    "hosts": {
                        name: {
                            "ansible_host": street.place(name).address,
                            "roeh_board_serial": street.place(name).serial,
                        }
                        for name in poles
                    }
                },
            },
        }
    }
    # JSON is YAML.
    street.inventory.write_bytes(msgspec.json.format(msgspec.json.encode(document)))


def renew(street: Street) -> None:
    """The same again for the machines that are there by now."""
    written = msgspec.json.decode(street.inventory.read_bytes(), type=_Written)
    write(street, Path(written.all.vars.roeh_bundle))


class _Variables(msgspec.Struct, frozen=True):
    roeh_bundle: str


class _All(msgspec.Struct, frozen=True):
    vars: _Variables


class _Written(msgspec.Struct, frozen=True):
    all: _All


def bring_stick(control_room: Machine, keys: Keys) -> None:
    """The key keeper's stick, put into the control room's own machine.

    Args:
        control_room: the machine.
        keys: what was made.
    """
    control_room.run(
        f"umask 077 && mkdir -p {STICK} && tar -x -C {STICK} --no-same-owner",
        given=packed(keys.stick, keys.handed),
    )
