"""`roeh desk run` as it is started: its parts live and die with it, and start again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roeh.core.errors import ConfigError, DeskFailed, KeyRefused
from tests.process.brokers import running_broker
from tests.waiting import wait_until

DESK = """
name = "haifa"
[paths]
data_dir = "{directory}/desk"
[broker]
port = {port}
[witness]
state_dir = "{directory}/witness"
"""


def roeh(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "roeh", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.fixture
def desk_toml(tmp_path):
    with running_broker("mosquitto") as broker:
        path = tmp_path / "desk.toml"
        path.write_text(DESK.format(directory=tmp_path, port=broker.port))
        yield path


def parts_of(pid):
    """Process ids of the parts by their names."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = {}
    for child in children:
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"--only" in words:
            found[words[words.index(b"--only") + 1].decode()] = int(child)
    return found


def test_all_parts_run_start_again_when_killed_and_end_when_told(desk_toml):
    assert roeh("desk", "keys", "-c", desk_toml).returncode == 0
    assert roeh("desk", "keys", "-c", desk_toml, "--witness").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "roeh", "desk", "run", "-c", desk_toml], stderr=subprocess.PIPE
    ) as desk:
        names = {"ingest", "witness", "republish"}
        parts = wait_until(lambda: (found := parts_of(desk.pid)).keys() == names and found)
        os.kill(parts["ingest"], signal.SIGKILL)
        wait_until(lambda: parts_of(desk.pid).get("ingest", parts["ingest"]) != parts["ingest"])
        parts = wait_until(lambda: (found := parts_of(desk.pid)).keys() == names and found)
        desk.terminate()
        said = desk.communicate(timeout=30)[1].decode()
    assert desk.returncode == 0
    assert "ingest ended by signal 9; started again in 0.5 s" in said
    assert "Traceback" not in said
    for pid in parts.values():
        assert not Path(f"/proc/{pid}").exists()


def test_without_keys_it_says_so_once_and_ends(desk_toml):
    done = roeh("desk", "run", "-c", desk_toml)
    assert done.returncode == KeyRefused.exit_status
    assert "roeh desk keys" in done.stderr


@pytest.mark.parametrize(
    ("content", "error"),
    [("name = 7", ConfigError), ('[database]\nurl = "mysql://x/y"', ConfigError)],
)
def test_a_part_that_cannot_work_is_one_line(tmp_path, content, error):
    path = tmp_path / "desk.toml"
    path.write_text(content)
    done = roeh("desk", "run", "--only", "ingest", "-c", path)
    assert (done.returncode, len(done.stderr.splitlines())) == (error.exit_status, 1)


def test_a_garbled_database_is_one_line(desk_toml, tmp_path):
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "desk.db").write_bytes(b"garbled" * 1000)
    done = roeh("desk", "run", "--only", "ingest", "-c", desk_toml)
    assert done.returncode == DeskFailed.exit_status
    assert len(done.stderr.splitlines()) == 1


def test_keys_are_made_once_private_and_shown_as_poles_know_them(desk_toml, tmp_path):
    out = tmp_path / "desk.keys"
    first = roeh("desk", "keys", "-c", desk_toml, "--out", out)
    again = roeh("desk", "keys", "-c", desk_toml)
    assert first.stdout == again.stdout == out.read_text()
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["#", "ack", "command"]
    for path in (tmp_path / "desk" / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    witness = roeh("desk", "keys", "-c", desk_toml, "--witness")
    assert [line.split()[0] for line in witness.stdout.splitlines()] == ["#", "witness", "alarm"]


def test_keys_that_others_could_read_are_refused(desk_toml, tmp_path):
    roeh("desk", "keys", "-c", desk_toml)
    (tmp_path / "desk" / "keys" / "ack.key.pem").chmod(0o644)
    done = roeh("desk", "run", "--only", "ingest", "-c", desk_toml)
    assert done.returncode == KeyRefused.exit_status
    assert "others may read" in done.stderr
