"""Wrong values in an inventory are refused with host and field, all of them at once.

The cases run in one process of the technician's environment (build/env/hil), which has Ansible;
the last test is the playbook itself.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from roeh.release.debs import read_packages

ROOT = Path(__file__).resolve().parents[3]
HIL = ROOT / "build/env/hil/bin"
ANSIBLE = ROOT / "deploy/ansible"

Variables = dict[str, Any]

RIGHT: Variables = {
    "ansible_host": "10.0.0.11",
    "roeh_site": "harbour",
    "roeh_board": "pi5",
    "roeh_board_serial": "5a1c09b2e77d4f30",
    "roeh_control_room": "control-1",
    "roeh_broker_host": "10.0.0.1",
    "roeh_management_networks": ["10.0.0.0/24"],
    "roeh_place": {"latitude_deg": 32.8, "longitude_deg": 35.0, "address": "the quay"},
    "roeh_heading": {"deg": 34.0, "sigma_deg": 0.5, "from": "ground_points"},
    "roeh_sensors": [
        {
            "name": "dome",
            "source": {"kind": "picamera2"},
            "lens": {"width_px": 2048, "height_px": 2048, "fov_deg": 185.0},
        }
    ],
    "roeh_zones": [{"name": "quay", "polygon_m": [[0, 0], [5, 0], [0, 5]]}],
    "roeh_rules": [{"kind": "zone_entry", "name": "somebody", "zone": "quay"}],
}


def changed(**variables: object) -> list[dict[str, object]]:
    return [{"name": "quay-1", "variables": {**deepcopy(RIGHT), **variables}}]


def sensor(**keys: object) -> list[dict[str, object]]:
    return [{**RIGHT["roeh_sensors"][0], **keys}]


TWO_ALIKE = [
    {"name": "quay-1", "variables": RIGHT},
    {"name": "quay-2", "variables": RIGHT},
]
#: What is wrong -> the poles, and how the lines begin that have to be told, in any order.
CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "nothing": (changed(), []),
    "heading": (changed(roeh_heading={"deg": 400}), ["quay-1: roeh_heading.deg = 400: "]),
    "a key of the heading": (changed(roeh_heading={"degrees": 4}), ["quay-1: roeh_heading: "]),
    "sensor's kind": (
        changed(roeh_sensors=sensor(source={"kind": "webcam"})),
        ["quay-1: roeh_sensors[0].source.kind = 'webcam': "],
    ),
    "rule's zone": (
        changed(roeh_rules=[{"kind": "zone_entry", "name": "x", "zone": "pier"}]),
        ["quay-1: roeh_rules[0] x zone = 'pier': no such name"],
    ),
    "what an operation tightens": (
        changed(
            roeh_operations=[{"name": "festival"}],
            roeh_outputs=[{"kind": "trial", "name": "siren", "file": "/run/roeh/siren"}],
            roeh_rules=[
                {"kind": "zone_entry", "name": "plain", "zone": "quay"},
                {
                    "kind": "zone_entry",
                    "name": "tight",
                    "zone": "quay",
                    "operation": "festival",
                    "instead_of": "plain",
                    "outputs": ["siren"],
                },
            ],
        ),
        [],
    ),
    "operations and outputs": (
        changed(
            roeh_operations=[{"name": "festival", "to": "2027-02-30T18:00"}],
            roeh_outputs=[{"kind": "gpio", "name": "lamp"}],
            roeh_rules=[
                {"kind": "crowd", "name": "plain"},
                {"kind": "crowd", "name": "tight", "operation": "fair", "instead_of": "plain"},
                {"kind": "crowd", "name": "loud", "outputs": ["horn"]},
            ],
        ),
        [
            "quay-1: roeh_operations[0] festival to = '2027-02-30T18:00': no day",
            "quay-1: roeh_outputs[0]",
            "quay-1: roeh_rules[1] tight operation = 'fair': no such name",
            "quay-1: roeh_rules[2] loud outputs = 'horn': no such name",
        ],
    ),
    "a variable that nobody knows": (
        changed(roeh_headin={}),
        ["quay-1: roeh_headin: a variable that no role knows; did you mean roeh_heading?"],
    ),
    "board": (changed(roeh_board="pi3"), ["quay-1: roeh_board: "]),
    "board's serial": (
        changed(roeh_board_serial="5A1C"),
        ["quay-1: roeh_board_serial = '5A1C': not as a pi5 writes it"],
    ),
    "a network": (
        changed(roeh_camera_networks=["10.0.0.300"]),
        ["quay-1: roeh_camera_networks[0] = '10.0.0.300': no address"],
    ),
    "nobody may come in": (
        changed(roeh_management_networks=[]),
        ["quay-1: roeh_management_networks: nobody could come in"],
    ),
    "names that nobody can be asked for": (
        changed(
            roeh_broker_host="broker.harbour.example",
            roeh_time_servers=["10.0.0.60", "time.harbour.example"],
            roeh_log_host="logs.harbour.example",
            roeh_sensors=sensor(source={"kind": "rtsp", "url": "rtsp://v@dome.example/1"}),
        ),
        [
            "quay-1: roeh_broker_host = 'broker.harbour.example': a name, and no name server",
            "quay-1: roeh_time_servers[1] = 'time.harbour.example': a name, and no name server",
            "quay-1: roeh_log_host = 'logs.harbour.example': a name, and no name server",
            "quay-1: roeh_sensors[0].source.url = 'dome.example': a name, and no name server",
        ],
    ),
    "names that the pole knows, and an address of another kind": (
        changed(
            roeh_broker_host="broker.harbour.example",
            roeh_host_addresses={"broker.harbour.example": "10.0.0.1"},
            roeh_time_servers=["fd00::60", "quay-1"],
        ),
        [],
    ),
    "names, and a name server": (
        changed(
            roeh_broker_host="broker.harbour.example",
            roeh_log_host="logs.harbour.example",
            roeh_name_servers=["10.0.0.53"],
        ),
        [],
    ),
    "ports": (
        changed(
            roeh_metrics_networks=["10.0.0.0/24"],
            roeh_settings={"retrieve": {"port": 9100}, "access": {"host": "0.0.0.0", "port": 22}},
        ),
        [
            "quay-1: roeh_settings.retrieve.port = 9100: the port of the node exporter",
            "quay-1: roeh_settings.access.port = 22: the port of sshd",
        ],
    ),
    "control room": (
        changed(roeh_control_room="control-2"),
        ["quay-1: roeh_control_room = 'control-2': no host of the group"],
    ),
    "what the roles write": (
        changed(roeh_settings={"users": {"capture": "root"}, "keys": {"tls_dir": "/tmp"}}),
        ["quay-1: roeh_settings.users: ", "quay-1: roeh_settings.keys.tls_dir: "],
    ),
    "a line without a value": (
        changed(roeh_heading={"deg": None}),
        ["quay-1: roeh_heading.deg: it has no value"],
    ),
    "files of keys": (
        changed(roeh_trust_dir="/nowhere", ansible_ssh_private_key_file="/nowhere/id"),
        [
            "quay-1: roeh_trust_dir: no root-ca.pem",
            "quay-1: roeh_trust_dir: no broker-ca.pem",
            "quay-1: roeh_trust_dir: no desk.keys",
            "quay-1: roeh_trust_dir: no release-ca.pem",
            "quay-1: ansible_ssh_private_key_file = '/nowhere/id': no such file",
        ],
    ),
    "a USB device": (
        changed(roeh_usb_devices=[{"vendor": "046D", "product": "0825", "serial": 'a", RUN+="x'}]),
        [
            "quay-1: roeh_usb_devices[0].vendor = '046D': not as the device tells it",
            "quay-1: roeh_usb_devices[0].serial = 'a\", RUN+=\"x': not as the device tells it",
        ],
    ),
    "two poles with one address and one board": (
        TWO_ALIKE,
        [
            "quay-1: ansible_host = '10.0.0.11': the address of quay-2 too",
            "quay-2: ansible_host = '10.0.0.11': the address of quay-1 too",
            "quay-1: roeh_board_serial = '5a1c09b2e77d4f30': the board's serial number of quay-2",
            "quay-2: roeh_board_serial = '5a1c09b2e77d4f30': the board's serial number of quay-1",
        ],
    ),
    "many things": (
        changed(
            roeh_site="Harbour",
            roeh_heading={"deg": -1, "sigma_deg": -1},
            roeh_sensors=[
                *sensor(height_m=90, lens={"width_px": 2, "height_px": 2048, "fov_deg": 400}),
                *sensor(name="Second", tilt_deg="down"),
            ],
            roeh_settings={"evidence": {"max_days": 3}, "retrieve": {"port": -1}},
        ),
        [
            "quay-1: roeh_site = 'Harbour': ",
            "quay-1: roeh_heading.deg = -1: ",
            "quay-1: roeh_heading.sigma_deg = -1: ",
            "quay-1: roeh_sensors[0].height_m = 90: ",
            "quay-1: roeh_sensors[0].lens.width_px = 2: ",
            "quay-1: roeh_sensors[0].lens.fov_deg = 400: ",
            "quay-1: roeh_sensors[1].name = 'Second': ",
            "quay-1: roeh_sensors[1].tilt_deg = 'down': ",
            "quay-1: roeh_settings.evidence.max_days: ",
            "quay-1: roeh_settings.retrieve.port = -1: ",
        ],
    ),
}
#: What the cases leave out on purpose: files that only a laptop has.
_ELSEWHERE = ("roeh_bundle: it is not set", "roeh_trust_dir: it is not set")


@pytest.fixture(scope="module")
def told() -> dict[str, list[str]]:
    """What is told of each case, in one process."""
    answer = subprocess.run(
        [HIL / "python", Path(__file__).with_name("told_mistakes.py")],
        input=json.dumps([poles for poles, _ in CASES.values()]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return {
        case: [line for line in lines if not any(words in line for words in _ELSEWHERE)]
        for case, lines in zip(CASES, json.loads(answer.stdout), strict=True)
    }


def played(playbook: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """What Ansible says of a playbook; lines are not folded."""
    return subprocess.run(
        [HIL / "ansible-playbook", *options, ANSIBLE / f"playbooks/{playbook}.yml"],
        env={**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(playbook: str, inventory: Path, hosts: str, words: Sequence[str]) -> None:
    """A playbook ends with all of the words about these hosts, and has asked none of them.

    The hosts are of 192.0.2.0/24, which answers nobody: one that is asked is unreachable.
    """
    inventory.write_text(hosts)
    answer = played(playbook, "-i", inventory)
    assert answer.returncode != 0
    said = " ".join((answer.stdout + answer.stderr).split())
    assert [one for one in words if one not in said] == [], answer.stdout
    assert "unreachable=1" not in answer.stdout


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_with_host_and_field_and_nothing_else_is(
    case: str, told: dict[str, list[str]]
) -> None:
    wanted = CASES[case][1]
    missing = [start for start in wanted if not any(line.startswith(start) for line in told[case])]
    surplus = [line for line in told[case] if not line.startswith(tuple(wanted) or "none")]
    assert (missing, surplus) == ([], []), told[case]


def test_the_playbook_tells_all_mistakes_in_one_run_and_asks_no_pole(tmp_path: Path) -> None:
    hosts = """
all:
  vars: {roeh_site: harbour, roeh_bundle: /nowhere, roeh_trust_dir: /nowhere}
  children:
    poles:
      hosts:
        quay-1: {ansible_host: 192.0.2.1, roeh_heading: {deg: 400}}
        quay-1: {ansible_host: 192.0.2.2}
        quay-2: {ansible_host: 192.0.2.2, roeh_sensors: [{source: {kind: webcam}}]}
"""
    words = (
        "quay-1: inventory_hostname: stands twice in hosts.yml, lines 7 and 8",
        "quay-2: roeh_sensors[0].source.kind = ''webcam''",
        "quay-2: roeh_bundle = ''/nowhere'': no bundle is there",
        "quay-1: roeh_board: it is not set",
    )
    assert_refused("site", tmp_path / "hosts.yml", hosts, words)


def test_the_example_lacks_nothing_but_the_files_of_a_city() -> None:
    answer = played("preflight")
    told_lines = [line for line in answer.stdout.splitlines() if " - '" in line]
    assert told_lines, answer.stdout + answer.stderr
    assert all(": roeh_trust_dir" in line or ": roeh_bundle" in line for line in told_lines)


def test_a_control_room_is_told_all_mistakes_before_it_is_asked(tmp_path: Path) -> None:
    hosts = """
all:
  vars: {roeh_bundle: /nowhere, roeh_trust_dir: /nowhere}
  children:
    control_room:
      hosts:
        control-1:
          ansible_host: 192.0.2.1
          roeh_desk_nam: x
          roeh_pole_networks: [10.0.0.300]
          roeh_broker_host: broker.harbour.example
          roeh_log_host: logs.harbour.example
"""
    words = (
        "control-1: roeh_desk_name: it is not set",
        "control-1: roeh_desk_nam: a variable that no role knows; did you mean roeh_desk_name?",
        "control-1: roeh_management_networks: it is not set",
        "control-1: roeh_pole_networks[0] = ''10.0.0.300''",
        "control-1: roeh_broker_host = ''broker.harbour.example'': a name, and no name server",
        "control-1: roeh_bundle = ''/nowhere'': no bundle is there",
        "control-1: roeh_trust_dir: no release-ca.pem in /nowhere",
    )
    assert_refused("control-room", tmp_path / "hosts.yml", hosts, words)


def test_a_witness_is_told_all_mistakes_before_it_is_asked(tmp_path: Path) -> None:
    hosts = """
all:
  vars: {roeh_bundle: /nowhere, roeh_trust_dir: /nowhere, roeh_management_networks: [10.0.0.300]}
  children:
    witness:
      hosts:
        witness-1: {ansible_host: 192.0.2.1, roeh_witness: police, roeh_time_servers: [time]}
"""
    words = (
        "witness-1: roeh_witness_name: it is not set",
        "witness-1: roeh_broker_host: it is not set",
        "witness-1: roeh_witness: a variable that no role knows",
        "witness-1: roeh_time_servers[0] = ''time'': a name, and no name server",
        "witness-1: roeh_management_networks[0] = ''10.0.0.300''",
        "witness-1: roeh_bundle = ''/nowhere'': no bundle is there",
    )
    assert_refused("witness", tmp_path / "hosts.yml", hosts, words)


def test_a_witness_s_machine_needs_nothing_that_the_bundle_does_not_carry() -> None:
    lists = {
        name: set(read_packages(ANSIBLE / f"packages/{name}.txt"))
        for name in ("control_room", "witness")
    }
    assert lists["witness"] < lists["control_room"]
    assert lists["witness"].isdisjoint({"mosquitto", "postgresql"})
