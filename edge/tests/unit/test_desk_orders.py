"""What an operator orders reaches a pole signed, and what became of it comes back to the desk."""

import argparse
import json

import pytest

from roeh.core.errors import CommandRefused
from roeh.core.ids import ClockIds
from roeh.core.orders import Outcome, RestartOrder, SnapshotOrder
from roeh.core.peers import Role
from roeh.desk import commands
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.received import receive
from roeh.desk.ingest.sending import take_due
from roeh.desk.keys import open_command_key
from roeh.desk.orders import give_order, given_order, given_orders, outcome_text
from roeh.desk.pole import Pole
from roeh.desk.store import open_desk_store
from roeh.keys.home_file import PemSigner, unprovisioned_set
from roeh.keys.key_pem import parse_entry
from roeh.keys.signer import KeyUsage, NodeName
from roeh.transport.desk_keys import DeskKeys
from roeh.transport.messages import answer_message, snapshot_message
from tests.clocks import SynchronisedClock
from tests.commanded_nodes import CommandedNode
from tests.desks import DESK, desk_with_keys, incoming, said_state

POLE = Pole("harbour", "pole-7")
CLOCK = SynchronisedClock()
HOUR_US = 3_600_000_000


def log_key():
    content = unprovisioned_set(NodeName("harbour", "pole-7"))["log.pem"]
    entry = parse_entry(content, KeyUsage.LOG, "log.pem")
    return PemSigner(entry, home="file", which="log.pem")


class City:
    """A desk on a command line and one pole; what they say to each other goes by hand."""

    def __init__(self, directory):
        self.config_path = directory / "desk.toml"
        self.config = desk_with_keys(directory)
        self.config_path.write_text(DESK.format(directory=directory, more=""))
        self.store = open_desk_store(self.config)
        self.signer = open_command_key(self.config)
        key = log_key()
        self.pole = CommandedNode(
            directory, CLOCK, key, lambda: DeskKeys(command=(self.signer.verifier,))
        )
        self.hear(
            said_state(chain_pem=key.chain_pem.decode(), boot_id=CLOCK.read().boot_id),
        )

    def close(self):
        self.pole.close()
        self.store.close()

    def hear(self, *messages):
        batch = [receive(incoming(message)) for message in messages]
        commit(self.store, batch, NoHook(), None, CLOCK.read())

    def run(self, capsys, *arguments):
        """The exit status of a command line of `roeh desk`, and what it printed."""
        parser = argparse.ArgumentParser()
        commands.add_arguments(parser)
        action, *rest = arguments
        status = commands.run(parser.parse_args([action, "-c", str(self.config_path), *rest]))
        return status, capsys.readouterr().out

    def pass_on(self):
        """To the pole what is due, to the desk what the pole says."""
        for message in take_due(self.store, self.signer, CLOCK.read().t_utc_ns // 1000):
            self.pole.give(message.payload)
        for item in self.pole.leased():
            if item.picture is not None:
                self.hear(snapshot_message(*pole_name(), item.command_id, item.picture))
            self.hear(answer_message(*pole_name(), item.statement))
        self.pole.deliver()


def pole_name():
    return POLE.site, POLE.node


@pytest.fixture
def city(memory_directory):
    city = City(memory_directory)
    yield city
    city.close()


def ordered(city, capsys, *arguments):
    status, said = city.run(
        capsys, "order", "--json", "--operator", "anna", "harbour/pole-7", *arguments
    )
    assert status == 0
    return json.loads(said)


def test_a_view_that_cannot_be_is_refused_before_it_is_sent(city, capsys):
    with pytest.raises(CommandRefused, match="no such view"):
        ordered(city, capsys, "snapshot", "north", "--view", "ptz", "--bearing", "400")


@pytest.mark.parametrize(
    ("arguments", "order", "state", "reason"),
    [
        (("resend", "1-3", "9"), {"kind": "resend"}, "done", ""),
        (("snapshot", "north"), {"kind": "snapshot", "camera_id": "north"}, "accepted", ""),
        (
            ("snapshot", "north", "--view", "ptz", "--bearing", "120"),
            {
                "view": {
                    "layout": "ptz",
                    "bearing_deg": 120,
                    "elevation_deg": -25,
                    "fov_deg": 60,
                }
            },
            "accepted",
            "",
        ),
        (("snapshot", "south"), {"camera_id": "south"}, "refused", "no_such_camera"),
        (("restart", "capture"), {"kind": "restart", "process": "capture"}, "accepted", ""),
        (("log-level", "detect", "debug"), {"kind": "log_level", "level": "debug"}, "accepted", ""),
        (("schedule", "gate", "never", "--for", "8h"), {"mode": "never"}, "accepted", ""),
        (
            ("schedule", "gate", "as-configured", "--until", "2001-01-01T00:00:00Z"),
            {"mode": "as_configured"},
            "refused",
            "over_already",
        ),
        (
            ("hold", "--from", "2h", "--to", "1h", "--reason", "case 7", "--camera", "north"),
            {"kind": "hold", "camera_ids": ["north"], "reason": "case 7"},
            "refused",
            "nothing_recorded",
        ),
    ],
)
def test_an_order_goes_out_signed_and_its_answer_is_listed(
    city, capsys, arguments, order, state, reason
):
    given = ordered(city, capsys, *arguments)
    assert (given["operator"], given["state"], given["answer"]) == ("anna", "pending", None)
    assert order.items() <= given["order"].items()
    city.pass_on()
    assert city.pole.refused == []
    _, said = city.run(capsys, "orders", "--json", "--pole", "harbour/pole-7", "--by", "anna")
    (listed,) = (json.loads(line) for line in said.splitlines())
    assert (listed["id"], listed["state"]) == (given["id"], state)
    assert listed["answer"]["reason"] == reason


def test_a_snapshot_can_be_saved(city, capsys, tmp_path):
    given = ordered(city, capsys, "snapshot", "north")
    city.pass_on()
    (item,) = city.pole.orders(Role.DETECT)
    city.pole.done(Role.DETECT, item.row, Outcome.DONE, picture=b"\xff\xd8 a street")
    city.pass_on()
    status, said = city.run(capsys, "orders", "--save", str(tmp_path))
    assert status == 0
    assert "done" in said
    saved = tmp_path / "harbour" / "pole-7" / f"{given['id']}.jpg"
    assert saved.read_bytes() == b"\xff\xd8 a street"


def test_what_was_refused_is_told_with_its_meaning(city, capsys):
    ordered(city, capsys, "snapshot", "south")
    city.pass_on()
    _, said = city.run(capsys, "orders", "--json")
    with city.store.reading() as transaction:
        given = given_order(transaction, json.loads(said)["id"])
    assert outcome_text(given) == "refused: no_such_camera: the node has no camera of that name"


def test_every_order_and_every_look_at_them_is_in_the_audit(city, capsys):
    given = ordered(city, capsys, "restart", "detect")
    city.run(capsys, "orders", "--operator", "noa")
    _, said = city.run(capsys, "audit", "--json", "--operator", "noa")
    entries = [json.loads(line) for line in said.splitlines()]
    done = {(e["operator"], e["action"], e["subject"]) for e in entries}
    assert ("anna", "order.given", given["id"]) in done
    assert ("noa", "orders.viewed", "all") in done


def test_nothing_is_ordered_of_a_pole_that_nobody_knows(city, capsys):
    with pytest.raises(CommandRefused, match="never said that it is there"):
        city.run(capsys, "order", "harbour/pole-8", "restart", "detect")
    with pytest.raises(CommandRefused, match="ends before it begins"):
        city.run(
            capsys,
            *("order", "harbour/pole-7", "hold", "--from", "1h", "--to", "2h", "--reason", "x"),
        )


@pytest.mark.parametrize("wrong", ["0", "3-1", "x", "1-", ""])
def test_a_range_that_is_none_is_wrong_usage(city, capsys, wrong):
    with pytest.raises(SystemExit):
        city.run(capsys, "order", "harbour/pole-7", "resend", wrong)


def test_orders_are_found_by_pole_operator_and_time(desk_database):
    store, ids = desk_database, ClockIds(CLOCK)
    now_us = CLOCK.read().t_utc_ns // 1000
    with store.writing() as transaction:
        for node in ("pole-7", "pole-8"):
            transaction.execute(
                "INSERT INTO pole (site, node, online, connection_number, boot_id, software,"
                " log_chain_pem, log_standing, condition, t_heard_utc_us, is_silent)"
                " VALUES ('harbour', ?, 1, 1, 'b', '', '', '', '', 0, 0)",
                (node,),
            )
        for age_us, (node, operator) in enumerate(
            (("pole-7", "anna"), ("pole-8", "anna"), ("pole-7", "noa"))
        ):
            order = (
                SnapshotOrder(camera_id="north")
                if operator == "anna"
                else RestartOrder(process="detect")
            )
            give_order(
                transaction,
                Pole("harbour", node),
                order,
                operator,
                ids,
                now_utc_us=now_us + age_us,
                life_us=HOUR_US,
            )

    def found(since_us=0, pole=None, operator=None, limit=10):
        with store.reading() as transaction:
            given = given_orders(
                transaction, since_utc_us=since_us, pole=pole, operator=operator, limit=limit
            )
        return [(one.node, one.operator) for one in given]

    assert found() == [("pole-7", "noa"), ("pole-8", "anna"), ("pole-7", "anna")]
    assert found(limit=1) == [("pole-7", "noa")]
    assert found(pole=("harbour", "pole-7")) == [("pole-7", "noa"), ("pole-7", "anna")]
    assert found(pole=("harbour", ""), operator="anna") == [
        ("pole-8", "anna"),
        ("pole-7", "anna"),
    ]
    assert found(since_us=now_us + 2) == [("pole-7", "noa")]
