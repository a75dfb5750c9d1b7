"""Each witness gets the proof it needs, whatever became of it, and of the others."""

import shutil

import pytest

from roeh.core.errors import EvidenceRefused
from roeh.keys.signer import NodeName
from roeh.ledger.note import parse_checkpoint, parse_note
from roeh.transport.messages import CheckpointMessage
from tests.cosigners import Cosigner
from tests.delivering_nodes import DeliveringNode
from tests.ledgers import NODE, SITE
from tests.witnesses import RunningWitness


class Town:
    """A node and its witnesses, which are the real ones, and a broker that may lose things."""

    def __init__(self, directory, count):
        self.witnesses = []
        for number in range(count):
            (directory / f"witness-{number}").mkdir()
            self.witnesses.append(RunningWitness(directory / f"witness-{number}"))
        (directory / "node").mkdir()
        lines = "".join(f"witness {each.keys.verifier_key}\n" for each in self.witnesses)
        self.node = DeliveringNode(directory / "node", witness_lines=lines)
        self.away = set()
        self.sizes = []  # of what went out
        for each in self.witnesses:
            each.witness.announce(NodeName(SITE, NODE), self.node.key.chain_pem.decode())

    def round(self):
        """A checkpoint goes out and what is said comes back: who signed it, and the size that
        it was proved from."""
        self.node.ledger.append(3)
        proof = self.node.proof()
        size = parse_checkpoint(parse_note(proof.note).text).size
        message = CheckpointMessage(
            site=SITE, node=NODE, note=proof.note, from_size=proof.from_size, hashes=proof.hashes
        )
        self.sizes.append(size)
        signed = set()
        for number, each in enumerate(self.witnesses):
            if number in self.away:
                continue
            note = each.witness.take(message)
            if note is not None:
                self.node.cosigned(note)
                if parse_checkpoint(parse_note(note).text).size == size:
                    signed.add(number)
        return signed, proof.from_size

    def assert_in_step(self):
        """From now on each one signs every checkpoint, and each is of a newer tree."""
        for _ in range(3):
            assert self.round()[0] == {0, 1}
            assert self.sizes[-1] > self.sizes[-2]

    def close(self):
        self.node.close()
        for each in self.witnesses:
            assert each.alarms() == []
            each.witness.close()


@pytest.fixture
def town(memory_directory):
    town = Town(memory_directory, 2)
    yield town
    town.close()


def test_witnesses_in_step_share_a_proof(town):
    assert town.round() == ({0, 1}, 0)
    for _ in range(3):
        signed, from_size = town.round()
        assert signed == {0, 1}
        assert from_size > 0


def test_one_that_is_away_keeps_nobody_from_signing_and_comes_back_by_itself(town):
    town.round()
    town.away = {1}
    rounds = [town.round()[0] for _ in range(6)]
    assert rounds.count({0}) == 6
    assert len(set(town.sizes[-6:])) >= 3  # its turns are lost, and no others
    town.away = set()
    for _ in range(2):
        town.round()
    town.assert_in_step()


def test_one_that_never_signs_does_not_keep_the_other_from_it(town):
    town.away = {1}
    for _ in range(8):
        town.round()
    assert len(set(town.sizes)) >= 4
    town.away = set()
    for _ in range(2):
        town.round()
    town.assert_in_step()


def test_one_that_was_restored_from_an_older_backup_is_proved_from_there(town, memory_directory):
    town.round()
    restored = town.witnesses[1]
    restored.witness.close()
    backup = memory_directory / "backup"
    shutil.copytree(restored.directory, backup)
    restored.begin()
    restored.witness.announce(NodeName(SITE, NODE), town.node.key.chain_pem.decode())
    for _ in range(3):
        assert town.round()[0] == {0, 1}
    newest = (town.node.ledger.ledger_directory / "cosigned").read_text()
    restored.witness.close()
    shutil.rmtree(restored.directory)
    shutil.copytree(backup, restored.directory)
    restored.begin()
    restored.witness.announce(NodeName(SITE, NODE), town.node.key.chain_pem.decode())

    for _ in range(2):
        town.round()
    # It repeated what it knows, an older tree than the one that both had signed.
    kept = (town.node.ledger.ledger_directory / "cosigned").read_text()
    assert size_of(kept) >= size_of(newest)
    town.round()
    town.assert_in_step()


def size_of(note):
    return parse_checkpoint(parse_note(note).text).size


def test_a_node_that_forgot_where_its_witnesses_stand_learns_it_from_them(town):
    for _ in range(2):
        town.round()
    with town.node.ledger.database.writing() as connection:
        connection.execute("DELETE FROM witness")
    assert town.round() == (set(), 0)
    town.assert_in_step()


# What is kept.


@pytest.fixture
def node(memory_directory):
    (memory_directory / "n").mkdir()
    cosigner = Cosigner()
    node = DeliveringNode(memory_directory / "n", witness_lines=cosigner.line)
    node.cosigner = cosigner
    yield node
    node.close()


def test_a_ledger_at_rest_that_is_cosigned_again_and_again_does_not_grow(node):
    node.ledger.append(2)
    note = node.proof().note
    for t_utc_s in range(1_760_000_000, 1_760_000_020):
        node.cosigned(node.cosigner.cosign(note, t_utc_s))
    assert node.proof().note == node.cosigner.cosign(note, 1_760_000_000)
    assert node.witnessed.last_utc_s([node.cosigner.key]) == 1_760_000_019


def test_lines_of_strangers_are_not_kept(node):
    node.ledger.append(2)
    note = node.proof().note
    stranger = Cosigner("nobody/knows")
    node.cosigned(stranger.cosign(node.cosigner.cosign(note)))
    assert node.proof().note == node.cosigner.cosign(note)
    # Nor where the row of that size was replaced in the meantime.
    node.ledger.append(1)
    node.proof()
    node.ledger.append(1)
    older = node.proof().note
    node.ledger.append(1)
    node.proof()
    node.cosigned(stranger.cosign(node.cosigner.cosign(older)))
    kept = (node.ledger.ledger_directory / "cosigned").read_text()
    assert kept == node.cosigner.cosign(older)


def test_an_old_word_that_comes_late_makes_it_look_no_fresher(node):
    node.ledger.append(2)
    first = node.cosigner.cosign(node.proof().note, 1_760_000_000)
    node.ledger.append(2)
    node.cosigned(node.cosigner.cosign(node.proof().note, 1_760_000_300))
    node.cosigned(first)
    assert node.witnessed.last_utc_s([node.cosigner.key]) == 1_760_000_300


def test_a_cosignature_that_is_not_believed_is_counted(node):
    node.ledger.append(2)
    note = node.proof().note
    for forged in (Cosigner().cosign(note), note, "x"):
        with pytest.raises(EvidenceRefused):
            node.cosigned(forged)
    assert node.refused.total == 3


def test_nothing_is_proved_without_a_record(node):
    with node.ledger.database.reading() as connection:
        empty = node.ledger.log.size(connection) == 0
    assert empty
    assert node.proof().note is None
