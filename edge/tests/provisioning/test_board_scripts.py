"""What only boards run, against stand-ins of their firmware's programs: once, and never lost."""

import os
import subprocess
from pathlib import Path

import pytest
from apt import require_packages

ROLE = Path(__file__).resolve().parents[3] / "deploy/ansible/roles/base/files"


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def run(script: str, *words: object, tools: Path, **variables: object) -> str:
    """What it said; it has to end well."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    return subprocess.run(
        ["sh", ROLE / script, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def test_the_bootloader_is_given_other_settings_once_until_the_next_start(tmp_path: Path) -> None:
    tools, in_force, log = tmp_path / "tools", tmp_path / "in force", tmp_path / "log"
    in_force.write_text("[all]\nBOOT_UART=1\n")
    program(
        tools,
        "rpi-eeprom-config",
        f'if [ "$1" = --apply ]; then echo given >> "{log}"; else cat "{in_force}"; fi\n',
    )
    wanted = tmp_path / "eeprom.conf"
    wanted.write_text("# what it is\n[all]\nBOOT_UART=0\n")
    given = {"ROEH_EEPROM_GIVEN": tmp_path / "given"}

    assert run("eeprom.sh", wanted, tools=tools, **given).startswith("changed:")
    assert run("eeprom.sh", wanted, tools=tools, **given) == ""
    assert log.read_text() == "given\n"

    # The board was started anew, and has them.
    (tmp_path / "given").unlink()
    in_force.write_text("[all]\nBOOT_UART=0\n")
    assert run("eeprom.sh", wanted, tools=tools, **given) == ""
    assert log.read_text() == "given\n"


@pytest.mark.parametrize("is_first", [True, False], ids=["there is none", "it is older"])
def test_the_initial_ram_disk_is_made_anew_where_it_is_older(
    tmp_path: Path, is_first: bool
) -> None:
    tools, boot = tmp_path / "tools", tmp_path / "boot"
    boot.mkdir()
    image = boot / f"initrd.img-{os.uname().release}"
    if not is_first:
        image.write_text("old")
        os.utime(image, (0, 0))
    program(tools, "mountpoint", "exit 1\n")
    program(tools, "update-initramfs", f'echo "$@" >> "{tmp_path}/log"; touch "{image}"\n')
    hook = tmp_path / "hook"
    hook.write_text("hook")
    os.utime(hook, (1000, 1000))

    assert run("initramfs.sh", hook, tools=tools, ROEH_BOOT=boot).startswith("changed:")
    assert run("initramfs.sh", hook, tools=tools, ROEH_BOOT=boot) == ""
    how = "-c" if is_first else "-u"
    assert (tmp_path / "log").read_text() == f"{how} -k {os.uname().release}\n"


@pytest.mark.apt("shellcheck")
def test_scripts_of_the_roles_hold_to_shellcheck() -> None:
    require_packages("shellcheck")
    scripts = [
        path
        for path in sorted(ROLE.parents[1].glob("*/files/*.sh"))
        if path.read_text().startswith("#!/bin/sh")
    ]
    subprocess.run(["shellcheck", "--shell=sh", *scripts], check=True)
