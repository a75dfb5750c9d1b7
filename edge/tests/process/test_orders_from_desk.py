"""From an operator's command line through desk, broker and publish to a camera, and back."""

import contextlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from roeh.core.config import config_as_toml
from roeh.core.peers import Role
from roeh.desk.keys import open_ack_key, open_command_key
from tests.process.brokers import running_broker
from tests.process.ingesting import desk_at
from tests.process.running_node import running_node, write_street
from tests.process.synchronised_roeh import synchronised_roeh
from tests.waiting import wait_until

PATIENCE_S = 30.0
_ROEH = (sys.executable, "-m", "roeh")


class City:
    """One desk, one broker, one pole whose desk it is."""

    def __init__(self, directory, broker, node):
        self.desk_toml = directory / "desk.toml"
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
        node_toml.write_text(f'{node_toml.read_text()}\n[desk]\nkeys_file = "{keys}"\n')
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
