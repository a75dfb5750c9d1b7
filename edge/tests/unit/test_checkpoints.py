"""A checkpoint leaves the pole only when its whole tree is in database and mirror."""

import pytest

from roeh.core.errors import EvidenceRefused, KeyRefused, StorageFailed
from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.note import (
    Checkpoint,
    SignatureState,
    add_signature_line,
    checkpoint_text,
    log_signature_state,
    parse_checkpoint,
    parse_note,
    sign_note,
)
from tests.cosigners import Cosigner
from tests.ledgers import ORIGIN, FileLogKey, Ledger


@pytest.fixture
def ledger(memory_directory):
    ledger = Ledger(memory_directory)
    ledger.mirror.reconcile()
    yield ledger
    ledger.close()


@pytest.fixture
def key():
    return FileLogKey()


@pytest.fixture
def checkpoints(ledger, key):
    return opened(ledger, key)


def opened(ledger, key):
    return Checkpoints(ledger.database, ledger.log, ledger.mirror, key, ledger.clock)


def size_of(note):
    return parse_checkpoint(parse_note(note).text).size


def in_file(ledger, name="checkpoint"):
    return (ledger.ledger_directory / name).read_text(encoding="utf-8")


def stored_sizes(ledger):
    with ledger.database.reading() as connection:
        return [size for (size,) in connection.execute("SELECT size FROM checkpoint ORDER BY size")]


def test_an_empty_ledger_has_none(ledger, checkpoints, key):
    checkpoints.renew()

    assert checkpoints.newest() is None
    assert key.signed == []
    assert not (ledger.ledger_directory / "checkpoint").exists()


def test_it_is_of_what_was_mirrored_and_signed_by_the_log_key(ledger, checkpoints, key):
    ledger.append(6)
    checkpoints.renew()
    note = parse_note(checkpoints.newest())

    assert parse_checkpoint(note.text) == Checkpoint(ORIGIN, 6, ledger.root(6))
    state = log_signature_state(note, name=ORIGIN, spki_der=key.spki_der)
    assert state is SignatureState.VALID
    assert ledger.mirrored() == ledger.expected_mirror()
    assert in_file(ledger) == checkpoints.newest()


def test_nothing_is_signed_while_no_record_is_added(ledger, checkpoints, key):
    ledger.append(2)
    checkpoints.renew()
    first = checkpoints.newest()
    checkpoints.renew()

    assert checkpoints.newest() == first
    assert len(key.signed) == 1


def test_a_newer_one_takes_the_place_of_the_one_before(ledger, checkpoints):
    for _ in range(3):
        ledger.append(2)
        checkpoints.renew()

    assert size_of(checkpoints.newest()) == 6
    assert stored_sizes(ledger) == [6]
    assert in_file(ledger) == checkpoints.newest()
    assert sorted(path.name for path in ledger.ledger_directory.iterdir()) == [
        "000000.jsonl",
        "000001.jsonl",
        "checkpoint",
        "log.pem",
    ]


def test_after_a_restart_the_newest_comes_from_the_store(ledger, checkpoints, key):
    ledger.append(2)
    checkpoints.renew()
    before = checkpoints.newest()
    (ledger.ledger_directory / "checkpoint").unlink()
    ledger.reopen()
    ledger.mirror.reconcile()
    again = opened(ledger, key)

    assert again.newest() == before
    again.renew()
    assert again.newest() == before
    assert in_file(ledger) == before


def test_what_cannot_be_mirrored_is_not_signed(ledger, checkpoints, key):
    ledger.append(2)
    checkpoints.renew()
    before = checkpoints.newest()
    ledger.part(0).write_bytes(b"")
    ledger.append(1)

    with pytest.raises(StorageFailed):
        checkpoints.renew()
    assert (checkpoints.newest(), len(key.signed)) == (before, 1)

    checkpoints.renew()
    assert size_of(checkpoints.newest()) == 3


def test_what_is_not_in_its_file_is_not_published(ledger, checkpoints):
    ledger.append(2)
    checkpoints.renew()
    before = checkpoints.newest()
    (ledger.ledger_directory / "checkpoint.new").mkdir()
    ledger.append(1)

    with pytest.raises(StorageFailed):
        checkpoints.renew()
    assert checkpoints.newest() == before


def test_the_certificates_of_every_key_that_signed_stay_beside_the_ledger(ledger, key):
    newer = FileLogKey()
    for each in (key, newer, key):
        ledger.append(1)
        opened(ledger, each).renew()

    kept = (ledger.ledger_directory / "log.pem").read_bytes()
    assert kept == key.chain_pem + newer.chain_pem


def test_no_ledger_is_signed_that_does_not_continue_the_signed_one(ledger, checkpoints, key):
    ledger.append(5)
    checkpoints.renew()
    before = checkpoints.newest()
    with ledger.database.writing() as connection:
        connection.execute("UPDATE tree_node SET hash = zeroblob(32) WHERE level = 2")
    ledger.append(1)

    with pytest.raises(StorageFailed, match="does not continue the one that was signed"):
        checkpoints.renew()
    assert (checkpoints.newest(), len(key.signed)) == (before, 1)


def test_a_key_that_does_not_sign_leaves_the_one_before(ledger):
    key = RefusingKey()
    checkpoints = opened(ledger, key)
    ledger.append(1)
    checkpoints.renew()
    before = checkpoints.newest()
    key.refuses = True
    ledger.append(1)

    with pytest.raises(KeyRefused):
        checkpoints.renew()
    assert checkpoints.newest() == before

    key.refuses = False
    checkpoints.renew()
    assert size_of(checkpoints.newest()) == 2


class RefusingKey(FileLogKey):
    """A home that refuses for a while, as a TPM in lock-out does."""

    refuses = False

    def sign(self, message):
        if self.refuses:
            raise KeyRefused(what="locked out", which="log key", remedy="wait")
        return super().sign(message)


# Witnesses.


@pytest.fixture
def witness():
    return Cosigner()


def test_a_cosigned_one_stays_when_newer_ones_come(ledger, checkpoints, witness):
    ledger.append(3)
    checkpoints.renew()
    cosigned = witness.cosign(checkpoints.newest())
    for _ in range(2):
        ledger.append(1)
        checkpoints.renew()

    # Its own row is gone by the time that the answer comes.
    checkpoints.keep_cosigned(cosigned, [witness.key])

    assert stored_sizes(ledger) == [3, 5]
    assert in_file(ledger, "cosigned") == cosigned
    assert size_of(checkpoints.newest()) == 5
    ledger.append(1)
    checkpoints.renew()
    assert stored_sizes(ledger) == [3, 6]


def test_two_witnesses_sign_the_same_one(ledger, checkpoints, witness):
    other = Cosigner("police.example/witness")
    ledger.append(3)
    checkpoints.renew()
    written = checkpoints.newest()

    checkpoints.keep_cosigned(witness.cosign(written), [witness.key])
    checkpoints.keep_cosigned(other.cosign(written), [witness.key, other.key])

    names = [line.name for line in parse_note(checkpoints.newest()).signatures]
    assert names == [ORIGIN, witness.key.name, other.key.name]
    assert in_file(ledger, "cosigned") == checkpoints.newest()


def test_the_file_holds_the_newest_cosigned_one(ledger, checkpoints, witness):
    ledger.append(3)
    checkpoints.renew()
    older = witness.cosign(checkpoints.newest())
    ledger.append(3)
    checkpoints.renew()
    newer = witness.cosign(checkpoints.newest())

    checkpoints.keep_cosigned(newer, [witness.key])
    checkpoints.keep_cosigned(older, [witness.key])

    assert in_file(ledger, "cosigned") == newer
    assert stored_sizes(ledger) == [3, 6]


def test_what_is_not_ours_or_not_cosigned_is_refused(ledger, checkpoints, key, witness):
    ledger.append(3)
    checkpoints.renew()
    ours = checkpoints.newest()

    def signed(checkpoint, by):
        text = checkpoint_text(checkpoint)
        return sign_note(text, name=checkpoint.origin, spki_der=by.spki_der, sign=by.sign)

    stranger = Cosigner()
    of_another = witness.cosign(signed(Checkpoint(ORIGIN, 2, ledger.root(2)), key))
    refused = {
        "no witness": ours,
        "unknown witness": stranger.cosign(ours),
        "wrong cosignature": add_signature_line(ours, of_another.splitlines()[-1]),
        "another key": witness.cosign(signed(Checkpoint(ORIGIN, 3, ledger.root(3)), FileLogKey())),
        "another tree": witness.cosign(signed(Checkpoint(ORIGIN, 3, bytes(32)), key)),
        "larger than ours": witness.cosign(signed(Checkpoint(ORIGIN, 4, bytes(32)), key)),
        "another ledger": witness.cosign(signed(Checkpoint("roeh/a/b", 3, ledger.root(3)), key)),
    }
    for why, written in refused.items():
        with pytest.raises(EvidenceRefused):
            checkpoints.keep_cosigned(written, [witness.key])
        assert not (ledger.ledger_directory / "cosigned").exists(), why
    assert checkpoints.newest() == ours
