"""What a witness saw outlasts power cuts, is never changed unseen, and a person's word is added."""

import os
import resource
import signal
import stat

import pytest

from roeh.cli import main
from roeh.core.clock import SimulatedClock
from roeh.core.config import config_as_toml
from roeh.core.errors import AlarmRefused, KeyRefused, StorageFailed
from roeh.desk.commands.witness import read_ledgers
from roeh.desk.witness.accepting import accept_key, accept_tree, open_history
from roeh.desk.witness.alarm import open_witness_alarms
from roeh.desk.witness.entries import WitnessTime
from roeh.desk.witness.judging import Tree, tree_of
from roeh.desk.witness.key import COSIGN_FILE, make_witness_keys, read_witness_keys
from roeh.keys.chain import trust_anchors
from roeh.keys.signer import NodeName
from roeh.ledger.merkle import root
from roeh.ledger.note import ecdsa_key_id, parse_witness_key
from roeh.transport.messages import CheckpointMessage
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect
from tests.desks import desk_in
from tests.sealed_stores import SealedStore, root_pem
from tests.witnesses import POLE, Pole, RunningWitness, said_by, unprovisioned_key

NOW = WitnessTime(1_800_000_000_000_000, 1000, True)
PERSON = {"person": "R. Levi", "reason": "case 4411", "time": NOW}


@pytest.fixture
def seen(tmp_path):
    """A witness that saw a pole grow to 8 records, in 4 steps."""
    witness = RunningWitness(tmp_path / "state")
    pole = Pole()
    witness.introduce(pole)
    for _ in range(4):
        before = pole.tree.size
        pole.append(2)
        assert witness.cosigned(pole.message(before))
    yield witness, pole
    witness.witness.close()


def fork(witness, pole):
    """Another history of 6 + 2 records comes in."""
    other = Pole(pole.key)
    other.append(6)
    other.append(2, mark=b"other")
    assert witness.cosigned(other.message()) is None
    return other


def test_a_line_that_a_power_cut_left_unfinished_was_never_said(seen):
    witness, pole = seen
    witness.witness.close()
    path = witness.history()
    path.write_bytes(path.read_bytes() + b'{"kind":"seen","before":"')
    witness.begin()
    witness.introduce(pole)

    assert witness.alarms() == []
    assert witness.cosigned(pole.message())[0] == 8
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("where", ["middle", "end", "missing"])
def test_a_changed_history_stops_its_ledger_and_no_other(seen, where):
    witness, pole = seen
    other = Pole(name=NodeName("haifa", "pole-8"))
    other.append(1)
    witness.introduce(other)
    assert witness.cosigned(other.message())
    witness.witness.close()
    path = witness.history()
    lines = path.read_bytes().splitlines(keepends=True)
    if where == "missing":
        del lines[3]
    else:
        at = len(lines) // 2 if where == "middle" else -1
        lines[at] = lines[at].replace(b'"error_us":0', b'"error_us":1')
    path.write_bytes(b"".join(lines))
    witness.begin()
    witness.introduce(pole)
    witness.introduce(other)

    if where == "end":
        # The newest line is vouched for by nothing yet; what it says of trees is in its note.
        assert witness.cosigned(pole.message())[0] == 8
        return
    pole.append(1)
    assert witness.cosigned(pole.message(8)) is None
    assert witness.alarms() == [(str(POLE), "state_damaged")]
    other.append(1)
    assert witness.cosigned(other.message(1))[0] == 2


def test_a_history_under_another_ledgers_name_is_refused(seen):
    witness, _pole = seen
    witness.witness.close()
    witness.history().rename(witness.history(NodeName("haifa", "pole-9")))
    witness.begin()
    witness.read_all()

    assert witness.alarms() == [("haifa/pole-9", "state_damaged")]


def test_what_cannot_be_written_down_is_not_cosigned(seen):
    witness, pole = seen
    pole.append(1)
    message = pole.message(8)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = witness.history().stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, size + 40))
        try:
            witness.witness.take(message)
        except StorageFailed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

    witness.restart()
    witness.introduce(pole)
    assert witness.cosigned(message)[0] == 9


def test_an_alarm_leaves_what_a_court_needs(seen):
    witness, pole = seen
    other = fork(witness, pole)
    (directory,) = (witness.directory / "alarms").iterdir()

    assert tree_of((directory / "kept.txt").read_text()) == tree_of(pole.note())
    assert tree_of((directory / "claimed.txt").read_text()) == tree_of(other.note())
    assert pole.chain_pem in (directory / "log.pem").read_text()
    assert "two_roots" in (directory / "about.txt").read_text()


def test_what_was_lost_of_that_is_made_again_from_the_history(seen):
    witness, pole = seen
    fork(witness, pole)
    (directory,) = (witness.directory / "alarms").iterdir()
    whole = (directory / "claimed.txt").read_text()
    directory.rename(witness.directory / "taken-away")
    witness.restart()
    witness.read_all()

    assert (directory / "claimed.txt").read_text() == whole


def test_a_start_reads_what_is_alarmed_and_the_rest_when_it_is_needed_or_there_is_time(seen):
    witness, pole = seen
    others = [Pole(name=NodeName("haifa", f"pole-{number}")) for number in (8, 9)]
    for other in others:
        other.append(1)
        witness.introduce(other)
        assert witness.cosigned(other.message())
    fork(witness, pole)
    witness.restart()

    assert (witness.witness.ledgers, witness.witness.is_read) == (3, False)
    assert [kind for _ledger, kind in witness.alarms()] == ["two_roots"]
    others[0].append(1)
    assert witness.cosigned(others[0].message(1))[0] == 2
    assert not witness.witness.is_read
    witness.witness.read_next()
    assert witness.witness.is_read
    assert witness.witness.ledgers == 3


def test_a_person_says_which_history_counts_and_both_stay_written_down(seen):
    witness, pole = seen
    other = fork(witness, pole)
    before = witness.history().read_bytes()
    history = open_history(witness.directory / "ledgers", POLE)
    accept_tree(history, tree_of(other.note()), **PERSON)
    history.close()
    witness.witness.refresh()

    assert witness.alarms() == []
    assert witness.history().read_bytes().startswith(before)
    assert b"R. Levi" in witness.history().read_bytes()
    other.append(1)
    # It is told from where to prove: the tree that was accepted.
    assert witness.cosigned(other.message(4))[0] == 8
    assert witness.cosigned(other.message(8))[0] == 9
    pole.append(2)
    assert witness.cosigned(pole.message(9)) is None
    assert witness.alarms() == [(str(POLE), "not_continued")]


def test_only_a_tree_that_the_ledgers_key_signed_can_be_accepted(seen):
    witness, pole = seen
    fork(witness, pole)
    history = open_history(witness.directory / "ledgers", POLE)

    with pytest.raises(AlarmRefused, match="no such tree"):
        accept_tree(history, Tree(7, root(7, pole.tree.read)), **PERSON)


def test_where_no_alarm_stands_nothing_is_accepted(seen):
    witness, pole = seen
    history = open_history(witness.directory / "ledgers", POLE)

    with pytest.raises(AlarmRefused):
        accept_tree(history, tree_of(pole.note(6)), **PERSON)
    with pytest.raises(AlarmRefused):
        accept_key(history, "00" * 4, **PERSON)
    with pytest.raises(AlarmRefused):
        open_history(witness.directory / "ledgers", NodeName("haifa", "nobody"))


def test_a_person_says_that_a_new_key_counts(seen):
    witness, pole = seen
    pole.key = unprovisioned_key()
    pole.append(1)
    witness.introduce(pole)
    assert witness.cosigned(pole.message(8)) is None

    history = open_history(witness.directory / "ledgers", POLE)
    accept_key(history, ecdsa_key_id(pole.key.spki_der).hex(), **PERSON)

    assert witness.cosigned(pole.message(8))[0] == 9
    assert witness.alarms() == []


def test_the_desks_commands_list_and_accept(seen, tmp_path, capsys):
    witness, pole = seen
    config = tmp_path / "desk.toml"
    desk = desk_in(tmp_path)
    (tmp_path / "witness").symlink_to(witness.directory)
    config.write_text(config_as_toml(desk))
    command = ["desk", "witness", "-c", str(config)]

    assert main(command) == 0
    assert "haifa/pole-7: 8 records" in capsys.readouterr().out
    other = tree_of(fork(witness, pole).note())
    assert main(command) == 26
    assert f"claimed: 8 records, root {other.root.hex()}" in capsys.readouterr().out
    accept = [*command, "accept", str(POLE), "--size", "8", "--root", other.root.hex()]
    assert main(accept) == 35
    assert main([*accept, "--person", "R. Levi", "--reason", "case 4411"]) == 0
    assert main([*command, "--json"]) == 0


def test_a_damaged_history_is_listed_as_such(seen):
    witness, _pole = seen
    witness.history().write_bytes(b"nothing\n" + witness.history().read_bytes())
    (line,) = read_ledgers(witness.directory)

    assert "not what was written" in line.damage


def test_the_keys_are_their_owners_alone_and_stay(tmp_path):
    keys = make_witness_keys(tmp_path / "state", "police")
    path = tmp_path / "state" / COSIGN_FILE

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_witness_keys(tmp_path / "state", "police").verifier_key == keys.verifier_key
    assert parse_witness_key(keys.verifier_key) == keys.witness
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="others may read"):
        read_witness_keys(tmp_path / "state", "police")


def test_without_keys_nothing_is_witnessed(tmp_path):
    with pytest.raises(KeyRefused, match="no key yet"):
        read_witness_keys(tmp_path, "police")


def test_a_cosignature_is_no_alarm_and_the_keys_differ(tmp_path):
    keys = make_witness_keys(tmp_path, "police")

    assert keys.alarm.public_key != keys.witness.public_key
    said = keys.alarm_statement(b'{"witness":"police","t_utc_us":1,"alarms":[]}')
    assert open_witness_alarms(said, "police", [keys.alarm]).alarms == ()


def test_a_verifier_believes_the_time_that_a_witness_gave(tmp_path):
    store = SealedStore(tmp_path / "pole-7")
    witness = RunningWitness(
        tmp_path / "state",
        trust_anchors(store.city.anchors_pem),
        SimulatedClock(t_utc_ns=store.clock.read().t_utc_ns),
    )
    store.record(store.source(), 4)
    witness.witness.announce(store.name, store.log_signer.chain_pem.decode())
    store.seal()
    store.close()
    cosigned = witness.witness.take(
        CheckpointMessage(
            site="haifa",
            node="pole-7",
            note=store.checkpoints.newest(),
            from_size=0,
            hashes=(),
        )
    )
    beliefs = Beliefs(
        anchors=trust_anchors(root_pem(store.city)),
        checkpoints=(NoteSource("witnessed", cosigned, is_own=False),),
        witnesses=(witness.keys.witness,),
    )
    report = verify(tmp_path / "pole-7", beliefs, SimulatedClock())

    assert said_by(witness.keys.witness, cosigned)[0] > 0
    assert not [f for f in report.findings if f.aspect is Aspect.TIME], report.findings


def test_a_verifier_tells_which_of_two_histories_the_recordings_are_of(tmp_path):
    store = SealedStore(tmp_path / "pole-7")
    now = SimulatedClock(t_utc_ns=store.clock.read().t_utc_ns)
    witness = RunningWitness(tmp_path / "state", trust_anchors(store.city.anchors_pem), now)
    witness.witness.announce(store.name, store.log_signer.chain_pem.decode())
    store.record(store.source(), 4)
    store.seal()
    store.close()
    honest = store.checkpoints.newest()
    other = Pole(store.log_signer, name=store.name)
    other.append(tree_of(honest).size)
    for note in (honest, other.note()):
        witness.witness.take(
            CheckpointMessage(site="haifa", node="pole-7", note=note, from_size=0, hashes=())
        )
    (directory,) = (tmp_path / "state" / "alarms").iterdir()
    names = ("kept.txt", "claimed.txt")
    beliefs = Beliefs(
        anchors=trust_anchors(root_pem(store.city)),
        checkpoints=tuple(
            NoteSource(name, (directory / name).read_text(), is_own=False) for name in names
        ),
    )
    report = verify(tmp_path / "pole-7", beliefs, SimulatedClock())
    (forked,) = (found for found in report.findings if found.what == "ledger_forked")

    assert "claimed.txt" in forked.detail
    assert "kept.txt" not in forked.detail
