"""A trust list goes from an operator to a pole that judges it, and to nobody by mistake."""

import argparse

import pytest

from roeh.core.errors import CommandRefused
from roeh.desk import commands
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.received import receive
from roeh.desk.store import open_desk_store
from roeh.desk.trust_lists import SAY_EVERY_US, take_due_lists
from tests.clocks import SynchronisedClock
from tests.desks import DESK, desk_with_keys, incoming, said_state
from tests.people import PeopledCity

CLOCK = SynchronisedClock()


class Desk:
    """One that heard of one pole."""

    def __init__(self, directory):
        self.directory = directory
        self.city = PeopledCity()
        config = desk_with_keys(directory)
        (directory / "desk.toml").write_text(DESK.format(directory=directory, more=""))
        self.store = open_desk_store(config)
        said = said_state(boot_id=CLOCK.read().boot_id)
        commit(self.store, [receive(incoming(said))], NoHook(), None, CLOCK.read())

    def trust(self, signed, *which):
        path = self.directory / "trust-list.p7m"
        path.write_bytes(signed)
        parser = argparse.ArgumentParser()
        commands.add_arguments(parser)
        said = ["trust", "-c", self.directory / "desk.toml", path, *which, "--operator", "anna"]
        return commands.run(parser.parse_args([str(each) for each in said]))

    def due(self, later_us=0):
        return take_due_lists(self.store, CLOCK.read().t_utc_ns // 1000 + later_us)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def test_it_is_said_retained_to_the_poles_chosen_and_again_now_and_then(desk, capsys):
    signed = desk.city.trust_list(version=7)
    assert desk.trust(signed, "--all") == 0
    assert "trust list 7 goes to 1 poles" in capsys.readouterr().out
    (message,) = desk.due()
    assert str(message.topic) == "roeh/v1/harbour/pole-7/down/trust"
    assert (message.payload, message.retained) == (signed, True)
    assert message.content_type == "application/pkcs7-mime"
    assert desk.due() == []
    assert [again.payload for again in desk.due(SAY_EVERY_US + 1)] == [signed]
    with desk.store.reading() as transaction:
        entries = transaction.values("SELECT action FROM audit", ())
    assert ("trust_list.given",) in {tuple(entry) for entry in entries}


def test_a_newer_one_takes_its_place_and_an_older_one_does_not(desk):
    newer, older = desk.city.trust_list(version=7), desk.city.trust_list(version=6)
    desk.trust(desk.city.trust_list(version=5), "--pole", "harbour/pole-7")
    desk.trust(newer, "--pole", "harbour/pole-7")
    with pytest.raises(CommandRefused, match="version 7 was given"):
        desk.trust(older, "--all")
    assert [message.payload for message in desk.due()] == [newer]


def test_neither_another_file_nor_an_unknown_pole_is_taken(desk):
    with pytest.raises(CommandRefused, match="no signed trust list"):
        desk.trust(b"something else", "--all")
    with pytest.raises(CommandRefused, match="never said"):
        desk.trust(desk.city.trust_list(), "--pole", "harbour/pole-8")
    assert desk.due() == []
