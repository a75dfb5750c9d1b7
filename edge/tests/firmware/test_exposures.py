"""Every unit, with each set of drop-ins that a board can have beside it, is at most 1.5 exposed."""

from __future__ import annotations

import itertools
import json
import re

import firmware_tools as tools
import pytest
import yaml
from apt import require_packages

pytestmark = pytest.mark.apt("systemd")

POLE_ROLE = tools.FIRMWARE.parent / "deploy/ansible/roles/pole/vars/main.yml"
UNITS = sorted(tools.FIRMWARE.glob("systemd/*.service")) + sorted(
    tools.FIRMWARE.glob("common/*/*.service")
)


@pytest.fixture(scope="module", autouse=True)
def real_tool():
    require_packages("systemd")


def drop_ins():
    """(unit, the drop-in's name) -> its text: those that Ansible writes, and those of boards."""
    found = {}
    variables = yaml.safe_load(POLE_ROLE.read_text())
    for name in [name for name in variables if name.endswith("_files")]:
        for file in [file for file in variables[name] if isinstance(file, dict)]:
            place = re.search(r"/([\w@-]+\.service)\.d/([\w-]+\.conf)$", file["path"])
            if place and "content" in file:
                found[place[1], place[2]] = re.sub("{{.*?}}", "192.0.2.0/24", file["content"])
    for path in tools.FIRMWARE.glob("*/roeh-*.service.d/*.conf"):
        found[path.parent.name.removesuffix(".d"), path.name] = path.read_text()
    return found


DROP_INS = drop_ins()


def sets_of_drop_ins(unit):
    names = sorted(name for of, name in DROP_INS if of == unit.name)
    return [
        chosen for count in range(len(names) + 1) for chosen in itertools.combinations(names, count)
    ]


def test_the_drop_ins_are_found():
    assert set(DROP_INS) == {
        ("roeh-capture.service", "network-cameras.conf"),
        ("roeh-capture.service", "no-devices.conf"),
        ("roeh-capture.service", "nvargus.conf"),
        ("roeh-evidence.service", "tpm.conf"),
    }


@pytest.mark.parametrize(
    ("unit", "chosen"),
    [
        pytest.param(unit, chosen, id="+".join([unit.name, *chosen]))
        for unit in UNITS
        for chosen in sets_of_drop_ins(unit)
    ],
)
def test_a_unit_is_closed_with_what_a_board_puts_beside_it(unit, chosen, tmp_path):
    """As systemd reads them: the unit, then its drop-ins by their names."""
    together = tmp_path / unit.name
    texts = [unit.read_text(), *(DROP_INS[unit.name, name] for name in chosen)]
    together.write_text("\n".join(texts))

    assert tools.closed_unit(tmp_path, together) == ""


@pytest.mark.parametrize(
    ("name", "line", "instead"),
    [
        ("roeh-capture.service", "ProtectClock=yes\n", "SystemCallFilter=adjtimex\n"),
        ("roeh-usb@.service", "User=roeh-usb\n", ""),
    ],
)
def test_what_keeps_a_unit_below_the_goal_is_missed(name, line, instead, tmp_path):
    """Capture with cameras of both kinds; the disk's unit as root."""
    unit = (tools.FIRMWARE / "systemd" / name).read_text()
    assert line in unit
    beside = DROP_INS.get((name, "network-cameras.conf"), "[Service]\n")
    (tmp_path / name).write_text(f"{unit.replace(line, '')}\n{beside}\n{instead}")

    assert tools.closed_unit(tmp_path, tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        *("roeh-detect", "roeh-evidence", "roeh-publish", "roeh-retrieve"),
        *("roeh-desk-ingest", "roeh-desk-republish", "roeh-desk-witness"),
    ],
)
def test_who_is_not_told_may_ask_whether_the_clock_is_right(name):
    """adjtimex(2), which ProtectClock= forbids: a good clock would count as unsynchronised."""
    unit = tools.FIRMWARE / f"systemd/{name}.service"
    command = ["systemd-analyze", "security", "--no-pager", "--offline=yes", "--json=short"]
    found = {row["json_field"]: row for row in json.loads(tools.run(*command, unit).stdout)}

    assert found["ProtectClock"]["exposure"]
    assert "adjtimex is allowed" in found["SystemCallFilter_clock"]["description"]
    assert found["CapabilityBoundingSet_CAP_SYS_TIME"]["set"]
