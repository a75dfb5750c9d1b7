"""Who reaches a pole, and whom it reaches: packets on a wire between two network namespaces."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import firmware_tools as tools
import pytest
from apt import require_packages

pytestmark = [
    pytest.mark.apt("iproute2 nftables"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

POLE, MANAGEMENT, POLICE, METRICS, STRANGER, BROKER, CAMERA = (
    f"10.9.8.{number}" for number in (1, 2, 3, 4, 5, 6, 7)
)
OTHERS = (MANAGEMENT, POLICE, METRICS, STRANGER, BROKER, CAMERA)
#: Everything listens, on both sides: only the rules say what is reached.
PORTS = (22, 8440, 8443, 8883, 9100, 1883, 4444)

_DIAL = """
import os, select, socket, sys
uid, source, target, *ports = sys.argv[1:]
os.setuid(int(uid))
wires = {}
for port in map(int, ports):
    wire = socket.socket()
    wire.bind((source, 0))
    wire.setblocking(False)
    wire.connect_ex((target, port))
    wires[wire] = port
reached = set()
while waiting := [wire for wire in wires if wires[wire] not in reached]:
    answered = select.select([], waiting, [], 0.4)[1]
    if not answered:
        break
    for wire in answered:
        if wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            reached.add(wires[wire])
        else:
            del wires[wire]
print(*sorted(reached))
"""

#: A session that the other end knows nothing of: TCP_REPAIR (19, tcp(7)) makes it without packets.
_SPEAK_IN_A_LOST_SESSION = """
import socket, sys
source, target, port, patience_s = sys.argv[1:]
wire = socket.socket()
wire.setsockopt(socket.IPPROTO_TCP, 19, 1)
wire.bind((source, 554))
wire.connect((target, int(port)))
wire.setsockopt(socket.IPPROTO_TCP, 19, 0)
wire.settimeout(float(patience_s))
try:
    wire.send(b"video")
    wire.recv(1)
except ConnectionResetError:
    print("reset")
except TimeoutError:
    print("nothing")
"""

_LISTEN = """
import select, socket, sys
doors = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[1:]]
print("open", flush=True)
while True:
    for door in select.select(doors, [], [])[0]:
        door.accept()[0].close()
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    """A pole with its rules, and the others, each a network namespace; their names."""
    require_packages("iproute2", "nftables")
    nftables = Path(
        shutil.copytree(
            tools.FIRMWARE / "common/nftables", tmp_path_factory.mktemp("firewall") / "nftables"
        )
    )
    shutil.rmtree(nftables / "nftables.d")
    (nftables / "nftables.d").mkdir()
    (nftables / "nftables.d/roeh-addresses.nft").write_text(
        addresses(
            management4=MANAGEMENT,
            access4=POLICE,
            metrics4=METRICS,
            broker4=BROKER,
            cameras4=CAMERA,
        )
    )
    pole, others = (f"fw{os.getpid()}{end}" for end in "ab")
    listening = []
    try:
        for name in (pole, others):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "wire", "netns", pole, "type", "veth", "peer", "wire", "netns", others)
        ip("-n", pole, "address", "add", f"{POLE}/24", "dev", "wire")
        for address in OTHERS:
            ip("-n", others, "address", "add", f"{address}/24", "dev", "wire")
        for name in (pole, others):
            ip("-n", name, "link", "set", "wire", "up")
            ports = [str(port) for port in PORTS]
            command = ["ip", "netns", "exec", name, "python3", "-c", _LISTEN, *ports]
            listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            listening.append(listener)
            assert listener.stdout.readline() == "open\n"
        load = tools.WITH_PUBLISH + 'nft -I "$1" -f "$1/nftables.conf"'
        inside = ["ip", "netns", "exec", pole, "unshare", "--mount"]
        subprocess.run([*inside, "sh", "-euc", load, "sh", nftables], check=True)
        yield pole, others
    finally:
        for listener in listening:
            listener.kill()
            listener.wait()
            listener.stdout.close()
        for name in (pole, others):
            subprocess.run(["ip", "netns", "delete", name], check=False)


def addresses(**lists):
    """The example's names, each empty but those that are given."""
    example = tools.FIRMWARE / "common/nftables/nftables.d/roeh-addresses.nft"
    lines = []
    for line in example.read_text().splitlines():
        name = re.match(r"define (\w+[46]) =", line)
        value = lists.get(name[1], "") if name else ""
        lines.append(f"define {name[1]} = {{ {value} }}" if name else line)
    return "\n".join(lines) + "\n"


def reached(namespace, source, target, *ports, uid=0):
    dial = ["python3", "-c", _DIAL, str(uid), source, target]
    command = ["ip", "netns", "exec", namespace, *dial, *map(str, ports)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [int(port) for port in done.stdout.split()]


@pytest.mark.parametrize(
    ("source", "ports"),
    [
        pytest.param(MANAGEMENT, [22], id="technicians"),
        pytest.param(POLICE, [8443], id="police and staff"),
        pytest.param(METRICS, [9100], id="who scrapes metrics"),
        pytest.param(STRANGER, [], id="strangers"),
        pytest.param(BROKER, [], id="the broker, which never dials"),
        pytest.param(CAMERA, [], id="a camera, which is asked and never asks"),
    ],
)
def test_each_reaches_its_port_and_no_other(wire, source, ports):
    assert reached(wire[1], source, POLE, *PORTS) == ports


def test_the_pole_reaches_the_broker_at_its_port_and_nobody_else(wire):
    assert reached(wire[0], POLE, BROKER, *PORTS) == [8883]
    assert reached(wire[0], POLE, STRANGER, *PORTS) == []


def test_publish_dials_the_broker_and_no_other_process_of_the_pole_does(wire):
    assert reached(wire[0], POLE, BROKER, 8883, uid=tools.PUBLISH_UID) == [8883]
    assert reached(wire[0], POLE, BROKER, 8883, uid=tools.PUBLISH_UID + 1) == []


def test_the_pole_reaches_itself(wire):
    assert reached(wire[0], "127.0.0.1", "127.0.0.1", 8440) == [8440]


def told_in_a_lost_session(namespace, source, patience_s):
    speak = ["python3", "-c", _SPEAK_IN_A_LOST_SESSION, source, POLE, "41000", str(patience_s)]
    command = ["ip", "netns", "exec", namespace, *speak]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def test_a_camera_that_sends_into_a_session_from_before_a_power_cut_is_told_that_it_is_over(wire):
    assert told_in_a_lost_session(wire[1], CAMERA, 60) == "reset"


def test_nobody_else_is_told_anything(wire):
    assert told_in_a_lost_session(wire[1], STRANGER, 0.4) == "nothing"


def test_what_is_refused_is_counted(wire):
    reached(wire[1], STRANGER, POLE, 4444)
    command = ["ip", "netns", "exec", wire[0], "nft", "list", "counter", "inet", "roeh"]
    counted = subprocess.run(
        [*command, "refused_in"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout

    assert int(re.search(r"packets (\d+)", counted)[1]) > 0


def test_lists_that_are_all_empty_load_and_let_nobody_in(tmp_path):
    nftables = tmp_path / "nftables"
    shutil.copytree(tools.FIRMWARE / "common/nftables", nftables)
    (nftables / "nftables.d/roeh-addresses.nft").write_text(addresses())

    load = tools.WITH_PUBLISH + 'nft -I "$1" -f "$1/nftables.conf"'
    assert tools.complaint(tools.in_namespace(load, nftables, net=True)) == ""
