"""`roeh run`: one node on its directories, no orphans, restarts within limits."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from roeh.core.peers import Role
from tests.process.running_node import PATIENCE_S, ROLES, running_node, write_street
from tests.waiting import wait_until

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A node whose broker is not there, with models of its own; it may be started anew."""
    directory = tmp_path_factory.mktemp("node")
    models = shutil.copytree(MODELS, directory / "models", ignore=shutil.ignore_patterns("convert"))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        config_path = write_street(
            directory,
            port=nobody.getsockname()[1],
            paths=f'model_dir = "{models}"',
            supervise="max_restarts = 2\nbackoff_s = 0.05\nsilent_s = 9.0",
        )
        with running_node(config_path) as node:
            yield node


def test_the_state_names_every_process_and_why_one_is_not_well(street):
    line = street.wait_for_line(r"roeh run: (.*detect ok.*publish degraded.*)\n")[1]
    states, _, reason = line.partition("  (")
    assert [word for word in states.split() if word in {role.value for role in ROLES}] == [
        role.value for role in ROLES
    ]
    port = street.config.broker.port
    assert "publish: not connected" in reason
    assert f"127.0.0.1:{port}" in reason


def test_a_second_node_on_the_same_directories_is_told_in_one_line(street):
    second = subprocess.run(
        [sys.executable, "-m", "roeh", "run", "-c", str(street.config_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == 19
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert line.startswith("roeh: STORAGE_FAILED: another node runs here already: ")
    assert set(street.pids()) == set(ROLES)


def test_nothing_outlives_a_killed_supervisor_and_the_next_one_takes_over(street):
    before = street.pids()
    assert set(before) == set(ROLES)
    said = len(street.said())
    street.signal(signal.SIGKILL)
    street.ended()
    # At once, while the processes of the node before are still on their way out.
    street.start()
    wait_until(lambda: set(street.pids()) == set(ROLES), PATIENCE_S)
    assert not set(before.values()) & street.leftovers()
    street.wait_for_line("detect ok", since=said)
    assert "Traceback" not in street.said()


def test_a_capture_that_hangs_is_ended_and_started_again(street):
    street.wait_for_news(Role.CAPTURE)
    before = street.pids()
    said = len(street.said())
    os.kill(before[Role.CAPTURE], signal.SIGSTOP)
    street.wait_for_line(r"capture says nothing for \d+ s: ending it", since=said)
    street.wait_for_line("capture was ended by SIGKILL; starting it again", since=said)
    wait_until(lambda: set(street.pids()) == set(ROLES), PATIENCE_S)
    street.wait_for_news(Role.CAPTURE)
    after = street.pids()
    assert after[Role.CAPTURE] != before[Role.CAPTURE]
    assert {role: pid for role, pid in after.items() if role is not Role.CAPTURE} == {
        role: pid for role, pid in before.items() if role is not Role.CAPTURE
    }


def test_what_keeps_failing_is_left_alone_and_the_others_go_on(street):
    models = Path(street.config.paths.model_dir)
    said = len(street.said())
    before = street.pids()
    models.rename(models.with_name("elsewhere"))
    street.kill(Role.DETECT)
    street.wait_for_line(
        r"roeh run: RESTARTS_EXHAUSTED: it ended with status 14 too often and is left alone: "
        r"detect; .*the other processes go on",
        since=said,
    )
    assert street.said()[said:].count("roeh: MODEL_MISSING: ") == 2
    street.wait_for_line("detect given up", since=said)
    street.wait_for_news(Role.CAPTURE)
    del before[Role.DETECT]
    assert street.pids() == before
    models.with_name("elsewhere").rename(models)


def test_ctrl_c_ends_it_and_the_status_says_that_something_was_given_up(street):
    street.signal(signal.SIGINT)
    assert street.ended() == 22
    assert street.leftovers() == set()
    assert "Traceback" not in street.said()
