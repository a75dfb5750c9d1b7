"""Logins of persons: let in, shut out and let in again, on a machine of their own.

The real module and the system's own tools, in a mount namespace with another /etc and /home.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HIL = ROOT / "build/env/hil/bin"
GROUP = "roeh-technicians"
KEYS = ["ssh-ed25519 AAAA dana"]
DANA = {"name": "dana", "keys": KEYS}
EYAL = {"name": "eyal", "keys": ["ssh-ed25519 BBBB eyal"]}
_WITH_ITS_OWN = 'mount --bind "$1/etc" /etc; mount --bind "$1/home" /home; shift; exec "$@"'

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is /etc and /home of the machine."""
    shutil.copytree("/etc", tmp_path / "etc", symlinks=True)
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a program on that machine."""

    def run(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "sh", "-euc", _WITH_ITS_OWN, "sh", folder, *words],
            env={name: value for name, value in os.environ.items() if name != "SUDO_USER"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def provisioned(run: Run, *persons: dict[str, Any], **more: object) -> list[str]:
    """What the module did for these persons."""
    program = Path(__file__).with_name("run_module.py")
    parameters = {"group": GROUP, "persons": persons, **more}
    done = run(HIL / "python", program, "roeh_persons", stdin=json.dumps(parameters))
    answer = json.loads(done.stdout)
    assert not answer.get("failed"), answer
    said: list[str] = answer["done"]
    assert answer["changed"] == bool(said)
    return said


def may_log_in(run: Run, name: str) -> bool:
    """By the account itself (as sshd asks: not expired), the group and a key."""
    (line,) = run("getent", "shadow", name).stdout.splitlines()
    expires = line.split(":")[7]
    members = run("getent", "group", GROUP).stdout.strip().split(":")[3].split(",")
    has_key = run("test", "-s", f"/home/{name}/.ssh/authorized_keys").returncode == 0
    assert (expires == "") == has_key == (name in members), (expires, has_key, members)
    return has_key


def test_who_was_taken_out_is_shut_out_and_who_is_put_back_comes_in(run: Run) -> None:
    assert provisioned(run, DANA, EYAL) == [
        f"{GROUP}: made",
        *("dana: made", "dana: keys written", "eyal: made", "eyal: keys written"),
        *("dana: let in", "eyal: let in"),
    ]
    assert provisioned(run, DANA, EYAL) == []
    assert may_log_in(run, "dana")

    assert provisioned(run, EYAL) == ["dana: shut out"]
    assert not may_log_in(run, "dana")
    assert may_log_in(run, "eyal")
    assert provisioned(run, EYAL) == []

    assert provisioned(run, DANA, EYAL) == ["dana: keys written", "dana: let in"]
    assert may_log_in(run, "dana")
    assert provisioned(run, DANA, EYAL) == []


def test_other_files_of_who_leaves_stay_theirs_and_a_password_stays_locked(
    run: Run, folder: Path
) -> None:
    provisioned(run, DANA)
    (folder / "home/dana/notes").write_text("the lamp of quay-1 flickers\n")
    run("usermod", "--password", "$6$salt$hash", "dana")

    provisioned(run)
    provisioned(run, DANA)

    assert (folder / "home/dana/notes").exists()
    assert run("getent", "shadow", "dana").stdout.split(":")[1] == "!$6$salt$hash"
    assert may_log_in(run, "dana")


def test_a_run_that_was_killed_on_its_way_is_gone_on_with(run: Run) -> None:
    """Shut out but for the group: by the next run wholly out, or in again."""
    provisioned(run, DANA, EYAL)
    for name in ("dana", "eyal"):
        run("usermod", "--lock", "--expiredate=1", name)

    assert provisioned(run, DANA) == ["dana: let in", "eyal: shut out"]
    assert may_log_in(run, "dana")
    assert not may_log_in(run, "eyal")


def test_a_member_without_an_account_leaves_the_group(run: Run) -> None:
    provisioned(run, DANA)
    run("sed", "-i", "/^dana:/d", "/etc/passwd", "/etc/shadow")

    assert provisioned(run) == ["dana: shut out"]
    assert provisioned(run) == []


def test_asked_what_it_would_do_it_does_nothing(run: Run) -> None:
    provisioned(run, DANA, EYAL)

    assert provisioned(run, DANA, _ansible_check_mode=True) == ["eyal: shut out"]
    assert may_log_in(run, "eyal")
