"""What the playbooks' own modules do to a machine: all or nothing, whole files, nothing twice."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HIL = ROOT / "build/env/hil/bin"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")


def module(name: str, **parameters: object) -> dict[str, Any]:
    """The module's answer; `failed` where it refused."""
    done = subprocess.run(
        [HIL / "python", Path(__file__).with_name("run_module.py"), name],
        input=json.dumps(parameters),
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_are_put_in_place_once_and_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "etc/.roeh-killed"
    left.mkdir(parents=True)
    (left / "half").write_text("hal")
    os.utime(left, (0, 0))
    files = [{"path": str(tmp_path / "etc/one"), "content": "1\n", "mode": "0600"}]

    assert module("roeh_files", files=files)["changed"]
    assert contents(tmp_path) == {"etc/one": "1\n"}
    assert (tmp_path / "etc/one").stat().st_mode & 0o7777 == 0o600
    assert not module("roeh_files", files=files)["changed"]


def test_where_one_file_is_refused_none_is_put_in_place(tmp_path: Path) -> None:
    one = {"path": str(tmp_path / "one"), "content": "1\n"}
    two = {"path": str(tmp_path / "two"), "content": "2\n", "validate": "grep -q 3 %s"}

    answer = module("roeh_files", files=[one, two])

    assert answer["failed"]
    assert "two is refused by grep" in answer["msg"]
    assert contents(tmp_path) == {}


def test_a_file_system_without_modes_is_asked_for_none(tmp_path: Path) -> None:
    place = tmp_path / "config.txt"
    place.write_text("arm_64bit=1\n")
    place.chmod(0o700)
    files = [{"path": str(place), "content": "arm_64bit=1\n", "mode": ""}]

    assert not module("roeh_files", files=files)["changed"]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A key keeper's stick: a CA's folder, a key, and no passphrase."""
    folder = tmp_path / "stick"
    (folder / "nodes").mkdir(parents=True)
    (folder / "nodes/ca.key").write_text("key")
    (folder / "broker.pem").write_text("broker")
    return folder


def handover(stick: Path, place: Path, **more: object) -> dict[str, Any]:
    return module(
        "roeh_handover",
        source=str(stick),
        trees=[{"from": "nodes", "path": str(place / "nodes")}],
        files=[
            {"from": "broker.pem", "path": str(place / "broker.pem"), "mode": "0600"},
            {"from": "passphrase", "path": str(place / "passphrase"), "optional": True},
        ],
        **more,
    )


def test_what_a_key_keeper_brought_is_taken_over_once_and_roots_alone(
    stick: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"

    assert handover(stick, place)["changed"]
    assert contents(place) == {"nodes/ca.key": "key", "broker.pem": "broker"}
    modes = [(place / name).stat().st_mode & 0o777 for name in ("nodes", "nodes/ca.key")]
    assert modes == [0o700, 0o600]
    # The CA lives on where it was brought; the stick may be gone.
    (place / "nodes/issued").write_text("1")
    assert not handover(stick, place)["changed"]
    assert not handover(tmp_path / "gone", place)["changed"]
    assert contents(place)["nodes/issued"] == "1"


def test_everything_that_is_missing_is_named_and_nothing_is_written(
    stick: Path, tmp_path: Path
) -> None:
    (stick / "broker.pem").unlink()
    (stick / "nodes/ca.key").unlink()
    (stick / "nodes").rmdir()

    answer = handover(stick, tmp_path / "place")

    assert answer["failed"]
    assert str(stick / "broker.pem") in answer["msg"]
    assert str(stick / "nodes") in answer["msg"]
    assert "passphrase" not in answer["msg"]
    assert not (tmp_path / "place").exists()


def played_here(tmp_path: Path, *tasks: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Ansible's run of these tasks on this machine, as its laptop."""
    playbook = tmp_path / "play.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]))
    return subprocess.run(
        [HIL / "ansible-playbook", "-i", "localhost,", playbook],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "deploy/ansible/ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_a_host_told_lies_on_the_laptop_and_is_written_once(tmp_path: Path) -> None:
    told = f"made\nfile desk.keys {base64.b64encode(b'ack one').decode()}\n# no file"
    trust = tmp_path / "trust"
    arguments = {"told": told, "directory": str(trust)}
    task = {"roeh_told_files": arguments, "register": "second"}
    unchanged = {"ansible.builtin.assert": {"that": "second is not changed"}}

    answer = played_here(tmp_path, task, task, unchanged)

    assert answer.returncode == 0, answer.stdout
    assert "changed=1" in answer.stdout
    assert contents(trust) == {"desk.keys": "ack one"}


def test_a_host_writes_nowhere_else_on_the_laptop(tmp_path: Path) -> None:
    lines = ["file ../keys YQ==", "file .keys YQ==", "file keys %", "file keys"]
    arguments = [{"told": line, "directory": str(tmp_path / "trust")} for line in lines]

    answer = played_here(
        tmp_path, *({"roeh_told_files": one, "ignore_errors": True} for one in arguments)
    )

    assert f"ignored={len(lines)}" in answer.stdout
    assert contents(tmp_path).keys() == {"play.yml"}
