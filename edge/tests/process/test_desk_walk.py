"""desk.md begins with a walk from nothing to the first alarm: each of its commands works."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apt import require_packages
from tests.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "desk.md"
SECTION = re.compile(r"^## From nothing to the first alarm\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
#: What stays in the foreground, in a terminal of its own, and what shows that it is there.
STAYS = {
    "mosquitto -c ": "running",
    "roeh desk run ": "ingest: connected to the broker",
    "roeh run ": "publish: connected to",
    "roeh watch ": "harbour/pole-7",
}
PATIENCE_S = 60.0


class Terminals:
    """Runs a page's lines in one directory; what stays is ended at the end."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._staying: list[subprocess.Popen] = []
        tools = Path(sys.executable).parent
        self._environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def give(self, lines: str) -> str:
        """Give these lines; what they print."""
        done = subprocess.run(
            ["bash", "-e", "-c", lines],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, line: str, sign: str) -> None:
        """Start what stays; wait until it says `sign`."""
        log = self._directory / f"{len(self._staying)}.log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self._directory,
                env=self._environment,
                stdout=file,
                stderr=file,
            )
        self._staying.append(child)

        def is_there():
            assert child.poll() is None, f"{line}\n{log.read_text()}"
            return sign in log.read_text()

        wait_until(is_there, PATIENCE_S)

    def close(self) -> None:
        for child in reversed(self._staying):
            child.terminate()
        for child in self._staying:
            child.wait(PATIENCE_S)


@pytest.fixture
def terminals(short_directory):
    with contextlib.closing(Terminals(short_directory)) as opened:
        yield opened


def free_ports(count):
    with contextlib.ExitStack() as taken:
        probes = [taken.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]


def blocks():
    """The commands of the walk, on ports of this test's own, as its own user, without delay."""
    poles, services = free_ports(2)
    text = SECTION.search(PAGE.read_text())[1]
    for old, new in (
        ("8883", poles),
        ("8884", services),
        ("roeh desk broker ", f"roeh desk broker --poles-port {poles} --services-port {services} "),
        (f"port = {poles}\n", f"port = {poles}\nconnect_spread_s = 0.0\n"),
        ("[desk]\nkeys_file", "[retrieve]\nport = 0\n\n[desk]\nkeys_file"),
        ("install -d -o mosquitto ", "install -d " + "-o mosquitto " * (os.geteuid() == 0)),
    ):
        assert old in text
        text = text.replace(old, new)
    return BLOCK.findall(text)


@pytest.mark.apt("mosquitto")
def test_the_walk_of_the_desk_s_page_leads_to_an_alarm_that_is_closed(terminals):
    require_packages("mosquitto")

    def alarms(state):
        listed = terminals.give(f"roeh desk alarms -c desk.toml --state {state} --json")
        found = [json.loads(line) for line in listed.splitlines()]
        return [alarm["id"] for alarm in found if alarm.get("rule") == "gate-entry"]

    printed = ""
    for block in blocks():
        if "ID" in block:
            (alarm_id,) = wait_until(lambda: alarms("new"), PATIENCE_S)
            block = re.sub(r"\bID\b", alarm_id[:8], block)  # noqa: PLW2901
        *lines, last = block.splitlines()
        sign = next((sign for start, sign in STAYS.items() if last.startswith(start)), None)
        if sign is None:
            printed = terminals.give(block)
        else:
            terminals.give("\n".join(lines))
            terminals.start(last, sign)
    assert alarm_id in alarms("closed")
    assert "person zone entry gate-entry in gate: closed as real by" in printed
    assert "resend to harbour/pole-7" in printed
    assert "each as it was written" in printed
