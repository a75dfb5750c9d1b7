"""What only the whole inventory shows, and what a pole needs on the laptop."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pole_inventory.firewall import HOSTS
from pole_inventory.mistakes import Mistake
from pole_inventory.node_document import node_document
from pole_inventory.overlays import has_compiler

#: How each board writes its serial number (device tree; a container's machine id).
_SERIAL_FORMS: Mapping[str, tuple[str, str]] = {
    "pi4": (r"[0-9a-f]{16}", "16 digits of 0-9a-f, as /proc/device-tree/serial-number has them"),
    "pi5": (r"[0-9a-f]{16}", "16 digits of 0-9a-f, as /proc/device-tree/serial-number has them"),
    "orin": (r"[0-9]{13}", "13 digits, as /proc/device-tree/serial-number has them"),
    "virtual": (r"[A-Za-z0-9][A-Za-z0-9._+-]{3,63}", "what roeh keys serial prints there"),
}
_NETWORKS = (
    "roeh_management_networks",
    "roeh_access_networks",
    "roeh_metrics_networks",
    "roeh_camera_networks",
    "roeh_name_servers",
    "roeh_pole_networks",
    "roeh_screen_networks",
)
#: Of a USB device; a line of a rule is made of it.
_USB_FORMS: Mapping[str, str] = {
    "vendor": r"[0-9a-f]{4}",
    "product": r"[0-9a-f]{4}",
    "serial": r"[A-Za-z0-9 :._+-]{1,126}",
}
#: What lies in roeh_trust_dir, and who writes it there.
TRUST_FILES: Mapping[str, str] = {
    "root-ca.pem": "control-room.yml fetches it, or copy the root's ca.pem",
    "broker-ca.pem": "control-room.yml fetches it, or copy it from the service CA",
    "desk.keys": "control-room.yml fetches it, or write it with roeh desk keys",
    "release-ca.pem": "copy it from whoever signs releases",
}
_SSH_PORT, _EXPORTER_PORT = 22, 9100


@dataclass(frozen=True)
class Pole:
    """A pole as the inventory has it: its name, and its variables, templated."""

    name: str
    variables: Mapping[str, Any]

    def text(self, variable: str) -> str:
        """A variable as text; empty where it is not set."""
        value = self.variables.get(variable)
        return "" if value is None else str(value)

    def listed(self, variable: str) -> Sequence[Any]:
        """A variable as a list; empty where it is not set, or is none."""
        value = self.variables.get(variable)
        return value if isinstance(value, list) else ()


def own_mistakes(pole: Pole, control_rooms: Iterable[str]) -> Iterator[Mistake]:
    """Of one pole, beside what the product judges."""
    yield from _serial(pole)
    yield from address_mistakes(pole)
    yield from name_mistakes(pole, {**dialled(pole, HOSTS.values()), **_cameras(pole)})
    yield from _ports(pole)
    yield from _key_files(pole)
    yield from _usb_devices(pole)
    if pole.variables.get("roeh_board_image") is True and not has_compiler():
        yield Mistake(
            pole.name, "roeh_board_image", "no dtc on this laptop to compile overlays",
            "apt install device-tree-compiler",
        )  # fmt: skip
    control_room = pole.text("roeh_control_room")
    if control_room and control_room not in control_rooms:
        listed = ", ".join(sorted(control_rooms)) or "nobody is in it"
        yield Mistake(
            pole.name, f"roeh_control_room = {control_room!r}",
            "no host of the group control_room", f"name one of: {listed}",
        )  # fmt: skip


def shared_mistakes(poles: Sequence[Pole]) -> Iterator[Mistake]:
    """What two poles cannot both have."""
    for variable, what in (
        ("ansible_host", "the address"),
        ("roeh_board_serial", "the board's serial number"),
    ):
        counts = Counter(pole.text(variable).lower() for pole in poles)
        for pole in poles:
            value = pole.text(variable)
            others = [
                other.name
                for other in poles
                if other is not pole and other.text(variable).lower() == value.lower()
            ]
            if value and counts[value.lower()] > 1 and not _is_behind_ports(pole, poles, variable):
                yield Mistake(
                    pole.name, f"{variable} = {value!r}",
                    f"{what} of {', '.join(others)} too", "give each pole its own",
                )  # fmt: skip


def _is_behind_ports(pole: Pole, poles: Sequence[Pole], variable: str) -> bool:
    """One address with a port for each pole, as behind a router, is meant."""
    if variable != "ansible_host":
        return False
    same = [other for other in poles if other.text(variable) == pole.text(variable)]
    return len({other.text("ansible_port") or "22" for other in same}) == len(same)


def _serial(pole: Pole) -> Iterator[Mistake]:
    board, serial = pole.text("roeh_board"), pole.text("roeh_board_serial")
    form, words = _SERIAL_FORMS.get(board, (".*", ""))
    if serial and not re.fullmatch(form, serial):
        yield Mistake(
            pole.name, f"roeh_board_serial = {serial!r}",
            f"not as a {board} writes it", f"give {words}, in quotes",
        )  # fmt: skip


def address_mistakes(pole: Pole) -> Iterator[Mistake]:
    """Networks that are none, and a machine that nobody could come into; a control room's too."""
    for variable in _NETWORKS:
        for index, network in enumerate(pole.listed(variable)):
            try:
                ipaddress.ip_network(str(network))
            except ValueError as error:
                yield Mistake(
                    pole.name, f"{variable}[{index}] = {str(network)!r}",
                    f"no address and no network ({error})", "give one such as 10.1.0.0/24",
                )  # fmt: skip
    if not pole.listed("roeh_management_networks"):
        yield Mistake(
            pole.name, "roeh_management_networks", "nobody could come in by ssh any more",
            "give the networks from which it is provisioned",
        )  # fmt: skip


def name_mistakes(pole: Pole, hosts: Mapping[str, str]) -> Iterator[Mistake]:
    """Hosts that are names where nobody can be asked: the firewall lets no other server answer.

    Args:
        pole: it, or a control room or a witness.
        hosts: each by the field that names it.
    """
    if pole.listed("roeh_name_servers"):
        return
    known = pole.variables.get("roeh_host_addresses")
    resolved = {pole.name, "localhost", *(known if isinstance(known, Mapping) else ())}
    for field, host in hosts.items():
        if host and host not in resolved and not _is_address(host):
            yield Mistake(
                pole.name, f"{field} = {host!r}",
                "a name, and no name server can be asked (roeh_name_servers is empty)",
                "give the address, or put the name into roeh_host_addresses, or name a name server",
            )  # fmt: skip


def dialled(pole: Pole, variables: Iterable[str]) -> dict[str, str]:
    """The hosts in these variables, each by the field that names it."""
    found: dict[str, str] = {}
    for variable in variables:
        found |= {f"{variable}[{i}]": str(host) for i, host in enumerate(pole.listed(variable))}
        if not isinstance(pole.variables.get(variable), list):
            found[variable] = pole.text(variable)
    return found


def _cameras(pole: Pole) -> dict[str, str]:
    """The hosts of network cameras."""
    found: dict[str, str] = {}
    for index, sensor in enumerate(pole.listed("roeh_sensors")):
        source = sensor.get("source") if isinstance(sensor, Mapping) else None
        url = source.get("url") if isinstance(source, Mapping) else None
        try:
            host = urlsplit(url).hostname if isinstance(url, str) else None
        except ValueError:
            continue  # no address of a camera: the product says so
        found[f"roeh_sensors[{index}].source.url"] = host or ""
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ports(pole: Pole) -> Iterator[Mistake]:
    """Everything that listens on a pole, each at a port of its own."""
    document = node_document(pole.name, pole.variables)
    taken = {_SSH_PORT: "sshd"}
    if pole.listed("roeh_metrics_networks"):
        taken[_EXPORTER_PORT] = "the node exporter (roeh_metrics_networks)"
    wanted = [("roeh_settings.retrieve.port", document.get("retrieve", {}).get("port", 8440))]
    if document["access"].get("host"):
        wanted.append(("roeh_settings.access.port", document["access"].get("port", 8443)))
    for field, port in wanted:
        if port in taken:
            yield Mistake(
                pole.name, f"{field} = {port}", f"the port of {taken[port]} too",
                "give each its own",
            )  # fmt: skip
        elif isinstance(port, int) and port:
            taken[port] = field


def _usb_devices(pole: Pole) -> Iterator[Mistake]:
    """They become rules of udev, one line each."""
    for index, device in enumerate(pole.listed("roeh_usb_devices")):
        for key, form in _USB_FORMS.items():
            value = str(device.get(key, "")) if isinstance(device, Mapping) else ""
            if value and not re.fullmatch(form, value):
                yield Mistake(
                    pole.name, f"roeh_usb_devices[{index}].{key} = {value!r}",
                    "not as the device tells it",
                    "give four digits of 0-9a-f, in quotes" if key != "serial"
                    else "give what lsusb -v calls iSerial",
                )  # fmt: skip


def _key_files(pole: Pole) -> Iterator[Mistake]:
    trust = pole.text("roeh_trust_dir")
    for name, remedy in TRUST_FILES.items() if trust else ():
        if not (Path(trust) / name).is_file():
            yield Mistake(pole.name, "roeh_trust_dir", f"no {name} in {trust}", remedy)
    key = pole.text("ansible_ssh_private_key_file")
    if key and not Path(key).expanduser().is_file():
        yield Mistake(
            pole.name, f"ansible_ssh_private_key_file = {key!r}", "no such file",
            "name the technician's key",
        )  # fmt: skip
