"""From an operator's command line through desk, broker and publish to a camera, and back."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from roeh.core.config import config_as_toml
from roeh.core.peers import Role
from roeh.custody.actions_command import actions_of
from roeh.custody.holdings import read_records
from roeh.custody.link import evidence_link
from roeh.desk.keys import open_ack_key, open_command_key
from roeh.ledger.records import OperationRecord, OutputRecord
from tests.process.brokers import running_broker
from tests.process.ingesting import desk_at
from tests.process.running_node import CLOCK, running_node, write_street
from tests.process.synchronised_roeh import synchronised_roeh
from tests.waiting import wait_until

PATIENCE_S = 30.0
OUTPUTS = ("siren", "lamp", "bell")
_SWITCHED = """
[[operations]]
name = "festival"
[[operations]]
name = "carnival"
[[rules]]
kind = "zone_entry"
name = "ringing"
zone = "street"
operation = "festival"
outputs = ["bell"]
"""
_ROOT = Path(__file__).resolve().parents[3]
_HIL = _ROOT / "build/env/hil/bin"
_ANSIBLE = _ROOT / "deploy/ansible"
_ROEH = (sys.executable, "-m", "roeh")


def _output(name, directory):
    path = directory / f"{name}.txt"
    table = f'[[outputs]]\nkind = "trial"\nname = "{name}"\nfile = "{path}"\n'
    return f"{table}longest_on_s = 300.0\n"


class City:
    """One desk, one broker, one pole whose desk it is."""

    def __init__(self, directory, broker, node):
        self.desk_toml = directory / "desk.toml"
        self.node_toml = directory / "node.toml"
        self._directory = directory
        self.broker = broker
        self.node = node

    def desk(self, action, *arguments, checked=True):
        """What `roeh desk` printed."""
        command = [*_ROEH, "desk", action, "-c", str(self.desk_toml), "--operator", "anna"]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert not checked or done.returncode == 0, done.stderr
        return done.stdout

    def switched(self, output):
        """What the file of an output says."""
        return (self._directory / f"{output}.txt").read_text().split()

    def actions(self, name):
        """What the pole's ledger says of an operation or an output: (what, cause's id)."""
        with evidence_link(self.node.config, CLOCK) as link:
            records = read_records(link, (OperationRecord, OutputRecord))
            return [(one.what, one.cause_id) for one in actions_of(records) if one.name == name]

    def listed(self):
        """The same of all, as `roeh evidence actions` shows it."""
        command = [*_ROEH, "evidence", "actions", "-c", str(self.node_toml), "--json"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return [json.loads(line) for line in said.stdout.splitlines()]

    def ordered(self, *arguments):
        """What became of an order, waited for."""
        said = self.desk("order", "--json", "--wait", "30s", "harbour/pole", *arguments)
        return json.loads(said)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    directory = tmp_path_factory.mktemp("city")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(running_broker("mosquitto"))
        config = desk_at(directory, broker.port)
        (directory / "desk.toml").write_text(config_as_toml(config))
        keys = directory / "desk.keys"
        keys.write_text(
            f"ack {open_ack_key(config).verifier.verifier_key}\n"
            f"command {open_command_key(config).verifier.verifier_key}\n"
        )
        ingest = subprocess.Popen(
            [*_ROEH, "desk", "run", "--only", "ingest", "-c", str(directory / "desk.toml")],
            stdin=subprocess.DEVNULL,
        )
        stack.callback(ingest.wait)
        stack.callback(ingest.terminate)
        node_toml = write_street(directory, port=broker.port)
        node_toml.write_text(
            f'{node_toml.read_text()}\n[desk]\nkeys_file = "{keys}"\n{_SWITCHED}'
            + "".join(_output(name, directory) for name in OUTPUTS)
        )
        node = stack.enter_context(running_node(node_toml, synchronised_roeh(directory)))
        node.wait_for_report(Role.PUBLISH, lambda report: report.state == "ok")
        city = City(directory, broker, node)
        wait_until(lambda: "pole" in city.desk("poles", "--json"), PATIENCE_S)
        yield city


def test_an_operator_sees_what_a_camera_sees(city, tmp_path):
    given = city.ordered("snapshot", "camera")
    assert (given["state"], given["answer"]["reason"]) == ("done", "")
    city.desk("orders", "--save", str(tmp_path))
    saved = tmp_path / "harbour" / "pole" / f"{given['id']}.webp"
    picture = cv2.imdecode(np.frombuffer(saved.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture[:192].shape == (192, 320, 3)


def test_publish_itself_is_started_anew_and_its_answer_arrives_all_the_same(city):
    before = city.node.pid(Role.PUBLISH)
    assert city.ordered("restart", "publish")["state"] == "done"
    assert city.node.pid(Role.PUBLISH) != before


def test_a_refusal_comes_back_with_its_word(city):
    said = city.desk(
        "order", "--json", "--wait", "30s", "harbour/pole", "snapshot", "nowhere", checked=False
    )
    given = json.loads(said)
    assert (given["state"], given["answer"]["reason"]) == ("refused", "no_such_camera")


def test_in_an_operation_that_is_ordered_a_rule_lets_an_output_on(city):
    assert city.switched("bell")[-1] == "off"
    begun = city.ordered("operation", "festival", "begin", "--for", "1h")
    assert begun["state"] == "done"
    wait_until(lambda: city.actions("festival") == [("begun", begun["id"])], PATIENCE_S)
    asked = [what for what, _ in wait_until(lambda: city.actions("bell"), PATIENCE_S)]
    # The street is never empty: later alerts find it on.
    assert asked == ["on"] + ["refused"] * (len(asked) - 1)
    wait_until(lambda: city.switched("bell")[-1] == "on", PATIENCE_S)

    # Whoever is killed in between, the operation goes on, and nothing is written twice.
    city.node.kill(Role.DETECT)
    city.node.kill(Role.EVIDENCE)
    city.node.wait_for_report(Role.DETECT, lambda report: report.state == "ok")
    ended = city.ordered("operation", "festival", "end", "--for", "1h")
    assert ended["state"] == "done"
    expected = [("begun", begun["id"]), ("ended", ended["id"])]
    wait_until(lambda: city.actions("festival") == expected, PATIENCE_S)


def test_an_output_is_let_on_and_off_by_order(city):
    on = city.ordered("deter", "siren", "--for", "100s")
    assert city.switched("siren") == ["off", "on"]
    off = city.ordered("deter", "siren", "--off")
    assert (on["state"], off["state"]) == ("done", "done")
    wait_until(lambda: city.switched("siren") == ["off", "on", "off"], PATIENCE_S)
    assert city.actions("siren") == [("on", on["id"]), ("off", off["id"])]


def test_what_capture_had_on_when_it_was_killed_is_off_and_stays_off(city):
    assert city.ordered("deter", "lamp", "--for", "300s")["state"] == "done"
    assert city.switched("lamp") == ["off", "on"]
    city.node.kill(Role.CAPTURE)
    wait_until(lambda: city.switched("lamp") == ["off", "on", "off"], PATIENCE_S)
    city.node.wait_for_report(Role.CAPTURE, lambda report: report.state == "ok")
    assert city.switched("lamp") == ["off", "on", "off"]


def test_ansible_gives_the_command_at_the_control_room(city, tmp_path):
    here = {"ansible_connection": "local", "ansible_become": False}
    pole = {"roeh_site": "harbour", "roeh_control_room": "control-1"}
    inventory = {
        "control_room": {"hosts": {"control-1": here}},
        "poles": {"hosts": {"pole": pole}},
    }
    (tmp_path / "street.json").write_text(json.dumps(inventory))
    given = {
        "roeh_operation": "carnival",
        "roeh_operation_mode": "begin",
        "roeh_operation_for": "1h",
        "roeh_operator": "anna",
        "operation_desk": [*_ROEH, "desk"],
        "operation_desk_toml": str(city.desk_toml),
    }
    command = [_ANSIBLE / "playbooks/operations.yml", "-i", tmp_path / "street.json"]
    done = subprocess.run(
        [_HIL / "ansible-playbook", *command, "-e", json.dumps(given)],
        env={**os.environ, "ANSIBLE_CONFIG": str(_ANSIBLE / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: city.actions("carnival"), PATIENCE_S)
    ((what, command_id),) = city.actions("carnival")
    assert what == "begun"
    assert command_id in city.desk("orders", "--json")


def test_all_of_it_is_listed_and_verifies(city):
    assert {one["name"] for one in city.listed()} >= {"festival", *OUTPUTS}
    verified = subprocess.run(
        [*_ROEH, "verify", "--json", str(city.node_toml.parent / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    findings = [one["what"] for one in json.loads(verified.stdout)["findings"]]
    assert not [what for what in findings if what.endswith("_unfounded")]
    assert "record_unreadable" not in findings
