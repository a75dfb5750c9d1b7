"""Checkpoints are read and written as every reader of C2SP signed notes has them."""

import base64
import hashlib
import subprocess

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.ledger.note import (
    Checkpoint,
    Note,
    SignatureState,
    WitnessKey,
    add_signature_line,
    checkpoint_text,
    cosignatures,
    ecdsa_key_id,
    log_signature_state,
    parse_checkpoint,
    parse_note,
    parse_witness_key,
    sign_note,
    witness_key_id,
)
from tests.apt import require_packages

CHECKPOINT = Checkpoint("roeh/hq/pole-1", 12, bytes(range(32)))
T_SEEN_S = 1_760_000_000

# A checkpoint that an independent log signed (Sigstore's public Rekor log), and its key.
REKOR_NOTE = (
    "rekor.sigstore.dev - 1193050959916656506\n"
    "18089576\n"
    "AHulDP6i5WnSAT+1P+OcUm/6H5mtBfRbnDIwYhBmXyI=\n"
    "\n"
    "— rekor.sigstore.dev wNI9ajBEAiBTh6P2VD7mx70IMv44muiLkChWgVvBjIck1phMA+5z0wIgULI4+ywdr"
    "NL/fiC7DtulKLkFVOm9mTpOlUPJVLxt1vk=\n"
)
REKOR_KEY = base64.b64decode(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr"
    "kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw=="
)


class LogKey:
    """A P-256 key of a log."""

    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.spki_der = spki_of(self.private)

    def sign(self, message):
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))


def spki_of(private):
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture(scope="module")
def key():
    return LogKey()


@pytest.fixture(scope="module")
def written(key):
    text = checkpoint_text(CHECKPOINT)
    return sign_note(text, name=CHECKPOINT.origin, spki_der=key.spki_der, sign=key.sign)


def state(note, key):
    return log_signature_state(parse_note(note), name=CHECKPOINT.origin, spki_der=key.spki_der)


def test_a_checkpoint_of_an_independent_log_is_read_and_verified():
    note = parse_note(REKOR_NOTE)
    checkpoint = parse_checkpoint(note.text)

    assert (checkpoint.origin, checkpoint.size) == (
        "rekor.sigstore.dev - 1193050959916656506",
        18_089_576,
    )
    assert note.signatures[0].key_id == ecdsa_key_id(REKOR_KEY) == bytes.fromhex("c0d23d6a")
    found = log_signature_state(note, name="rekor.sigstore.dev", spki_der=REKOR_KEY)
    assert found is SignatureState.VALID

    other = parse_note(REKOR_NOTE.replace("18089576", "18089577"))
    found = log_signature_state(other, name="rekor.sigstore.dev", spki_der=REKOR_KEY)
    assert found is SignatureState.WRONG


def test_a_checkpoint_is_written_as_it_is_specified(written):
    root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    text, _, line = written.partition("\n\n")

    assert text == f"roeh/hq/pole-1\n12\n{root}"
    assert line.startswith("— roeh/hq/pole-1 ")
    assert line.endswith("\n")


def test_what_was_signed_is_read_back_and_holds(written, key):
    note = parse_note(written)

    assert parse_checkpoint(note.text) == CHECKPOINT
    assert state(written, key) is SignatureState.VALID


@pytest.mark.apt("openssl")
def test_openssl_alone_verifies_the_signature(written, key, tmp_path):
    """A reader that shares no code with ours: text and DER cut out with nothing but base64."""
    require_packages("openssl")
    body, _, lines = written.partition("\n\n")
    encoded = lines.split(" ")[2]
    (tmp_path / "text").write_bytes(f"{body}\n".encode())
    (tmp_path / "signature.der").write_bytes(base64.b64decode(encoded)[4:])
    (tmp_path / "key.der").write_bytes(key.spki_der)
    subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-out", "key.pem"],
        cwd=tmp_path,
        check=True,
    )
    verify = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        "key.pem",
        "-signature",
        "signature.der",
        "text",
    ]

    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n")

    (tmp_path / "text").write_bytes(f"{body}\n".replace("12", "13").encode())
    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("change", [("12", "13"), ("hq", "hp"), ("AAEC", "AAED")])
def test_a_changed_text_is_wrong(written, key, change):
    body, blank, lines = written.partition("\n\n")

    assert state(body.replace(*change) + blank + lines, key) is SignatureState.WRONG


def test_another_key_says_nothing(written):
    assert state(written, LogKey()) is SignatureState.ABSENT


def test_another_key_under_the_same_id_is_wrong(written, key):
    other = LogKey()
    forged = msgspec.structs.replace(
        parse_note(written).signatures[0], key_id=ecdsa_key_id(other.spki_der)
    )
    note = Note(checkpoint_text(CHECKPOINT), (forged,))

    found = log_signature_state(note, name=CHECKPOINT.origin, spki_der=other.spki_der)
    assert found is SignatureState.WRONG


def test_a_wrong_line_of_a_known_key_spoils_a_right_one(written, key):
    right = parse_note(written).signatures[0]
    wrong = msgspec.structs.replace(right, signature=key.sign(b"something else"))
    note = Note(checkpoint_text(CHECKPOINT), (right, wrong))

    found = log_signature_state(note, name=CHECKPOINT.origin, spki_der=key.spki_der)
    assert found is SignatureState.WRONG


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP384R1()), None])
def test_only_a_p_256_key_is_taken(written, private):
    spki_der = b"not a key" if private is None else spki_of(private)

    with pytest.raises(KeyRefused, match="not a P-256 public key"):
        log_signature_state(parse_note(written), name=CHECKPOINT.origin, spki_der=spki_der)


# Witnesses.


@pytest.fixture(scope="module")
def witness():
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def witness_key(witness):
    return WitnessKey("desk.example/witness", witness.public_key().public_bytes_raw())


def cosigned(written, witness, witness_key, *, t_utc_s=T_SEEN_S, claimed_s=None):
    """The note with a cosignature made by hand, as tlog-cosignature says."""
    body = written.partition("\n\n")[0] + "\n"
    signature = witness.sign(f"cosignature/v1\ntime {t_utc_s}\n{body}".encode())
    named = f"{witness_key.name}\n".encode() + b"\x04" + witness_key.public_key
    claimed = t_utc_s if claimed_s is None else claimed_s
    packed = hashlib.sha256(named).digest()[:4] + claimed.to_bytes(8, "big") + signature
    return add_signature_line(written, f"— {witness_key.name} {base64.b64encode(packed).decode()}")


def only_cosignature(written, witness_key):
    (found,) = cosignatures(parse_note(written), [witness_key])
    return found


def test_a_cosignature_says_when_the_tree_was_seen(written, key, witness, witness_key):
    note = cosigned(written, witness, witness_key)
    found = only_cosignature(note, witness_key)

    assert (found.state, found.t_utc_s) == (SignatureState.VALID, T_SEEN_S)
    # It changes nothing about the log's own line.
    assert state(note, key) is SignatureState.VALID


def test_of_several_times_the_earliest_anchors(written, witness, witness_key):
    note = cosigned(written, witness, witness_key)
    note = cosigned(note, witness, witness_key, t_utc_s=T_SEEN_S - 60)

    assert only_cosignature(note, witness_key).t_utc_s == T_SEEN_S - 60


def test_a_time_that_was_not_signed_is_wrong(written, witness, witness_key):
    note = cosigned(written, witness, witness_key, claimed_s=T_SEEN_S - 1)
    found = only_cosignature(note, witness_key)

    assert (found.state, found.t_utc_s) == (SignatureState.WRONG, None)


def test_a_time_beyond_what_is_specified_is_wrong(written, witness, witness_key):
    note = cosigned(written, witness, witness_key, t_utc_s=2**63)

    assert only_cosignature(note, witness_key).state is SignatureState.WRONG


def test_a_witness_that_is_not_known_says_nothing(written, witness, witness_key):
    note = cosigned(written, witness, witness_key)
    other = WitnessKey(witness_key.name, bytes(32))

    assert only_cosignature(note, other).state is SignatureState.ABSENT


def test_a_cosignature_is_of_one_checkpoint(written, key, witness, witness_key):
    """The line moved to another checkpoint of the same log does not hold."""
    line = cosigned(written, witness, witness_key).splitlines()[-1]
    text = checkpoint_text(msgspec.structs.replace(CHECKPOINT, size=13))
    later = sign_note(text, name=CHECKPOINT.origin, spki_der=key.spki_der, sign=key.sign)

    moved = add_signature_line(later, line)
    assert only_cosignature(moved, witness_key).state is SignatureState.WRONG


def test_the_same_line_is_added_once(written, witness, witness_key):
    note = cosigned(written, witness, witness_key)

    assert add_signature_line(note, note.splitlines()[-1]) == note


def test_a_witness_key_is_read_as_witnesses_show_it(witness_key):
    encoded = base64.b64encode(b"\x04" + witness_key.public_key).decode()
    key_id = witness_key_id(witness_key).hex()

    assert parse_witness_key(f"{witness_key.name}+{key_id}+{encoded}") == witness_key
    for wrong in [
        f"{witness_key.name}+00000000+{encoded}",
        f"{witness_key.name}x+{key_id}+{encoded}",
        f"{witness_key.name}+{key_id}+{encoded[:-4]}",
        f"{witness_key.name}+{key_id}+{base64.b64encode(bytes(33)).decode()}",
        f"{witness_key.name}+{key_id}+%%%%",
        "",
    ]:
        with pytest.raises(KeyRefused):
            parse_witness_key(wrong)


# What is not a note.

LINE = "— key AAAAAAAA\n"


def test_the_text_ends_at_the_last_empty_line():
    note = parse_note(f"one\n\ntwo\n\n{LINE}")

    assert note.text == "one\n\ntwo\n"
    assert [signature.name for signature in note.signatures] == ["key"]


@pytest.mark.parametrize(
    "written",
    [
        "",
        "text\n",
        f"text\n{LINE}",
        f"text\n\n{LINE}"[:-1],
        "text\n\n\n",
        "text\n\nkey AAAAAAAA\n",
        "text\n\n- key AAAAAAAA\n",
        "text\n\n—  AAAAAAAA\n",
        "text\n\n— a+b AAAAAAAA\n",
        "text\n\n— a\u2003b AAAAAAAA\n",
        "text\n\n— key AAAAAA==\n",
        "text\n\n— key AAAAAA\n",
        "text\n\n— key AAAA*AAA\n",
        "text\n\n— key \uff21\uff21\uff21\uff21\n",
        f"te\txt\n\n{LINE}",
        f"te\rxt\n\n{LINE}",
        f"te\ud800xt\n\n{LINE}",
        "text\n\n" + LINE * 101,
        "x" * 300_000 + f"\n\n{LINE}",
    ],
)
def test_what_is_no_note_is_refused(written):
    with pytest.raises(EvidenceRefused):
        parse_note(written)


def test_sixteen_signatures_are_taken():
    assert len(parse_note("text\n\n" + LINE * 16).signatures) == 16


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        f"origin\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n\uff11\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n\n{ROOT}\n",
        f"origin\n1\n{ROOT[4:]}\n",
        f"origin\n1\n{ROOT[:-2]}B=\n",
        f"origin\n1\n{ROOT}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(EvidenceRefused):
        parse_checkpoint(text)


def test_an_empty_tree_and_extensions_are_read():
    assert parse_checkpoint(f"origin\n0\n{ROOT}\nmore\n") == Checkpoint(
        "origin", 0, bytes(32), ("more",)
    )


@pytest.mark.parametrize(
    ("name", "text"), [("a b", "x\n"), ("a+b", "x\n"), ("key", "x"), ("key", "\t\n")]
)
def test_what_cannot_stand_in_a_note_is_not_signed(key, name, text):
    with pytest.raises(EvidenceRefused):
        sign_note(text, name=name, spki_der=key.spki_der, sign=key.sign)
