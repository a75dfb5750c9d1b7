"""age: whom a bundle is for opens it, nobody else, and a byte changed anywhere is told."""

import io
import subprocess

import pytest

from roeh.bundle.encryption import (
    decrypt,
    encrypt,
    new_identity,
    parse_identities,
)
from roeh.core.errors import BundleRefused, KeyRefused
from tests.apt import require_packages

CONTENT = bytes(range(256)) * 700  # several of age's own pieces


def encrypted(content, *identities):
    sink = io.BytesIO()
    encrypt([content[:7], b"", content[7:]], sink, [one.recipient for one in identities])
    return sink.getvalue()


def decrypted(raw, *identities):
    sink = io.BytesIO()
    decrypt(io.BytesIO(raw), sink, identities)
    return sink.getvalue()


def test_each_recipient_opens_it_and_nobody_else():
    one, other, stranger = new_identity(), new_identity(), new_identity()
    raw = encrypted(CONTENT, one, other)
    assert decrypted(raw, one) == decrypted(raw, stranger, other) == CONTENT
    with pytest.raises(BundleRefused):
        decrypted(raw, stranger)


@pytest.mark.parametrize("place", [0, 40, 400, -70_000, -1])
def test_what_was_changed_or_cut_does_not_open(place):
    identity = new_identity()
    raw = encrypted(CONTENT, identity)
    changed = bytearray(raw)
    changed[place] ^= 1
    for damaged in (bytes(changed), raw[:place] if place else b""):
        with pytest.raises(BundleRefused):
            decrypted(damaged, identity)


@pytest.mark.apt("age")
def test_age_itself_opens_it_and_we_open_what_age_made(tmp_path):
    require_packages("age")
    keys, plain = tmp_path / "key.txt", tmp_path / "plain"
    subprocess.run(["age-keygen", "-o", keys], check=True, capture_output=True)
    plain.write_bytes(CONTENT)
    (identity,) = parse_identities(keys.read_text())
    ours = subprocess.run(
        ["age", "-d", "-i", keys],
        input=encrypted(CONTENT, identity),
        capture_output=True,
        check=True,
    )
    theirs = subprocess.run(
        ["age", "-r", identity.recipient, plain], capture_output=True, check=True
    )
    assert ours.stdout == CONTENT == decrypted(theirs.stdout, identity)


def test_an_error_of_the_disk_comes_through_as_it_was():
    class Full(io.BytesIO):
        def write(self, _content):
            raise OSError(28, "No space left on device")

    def broken():
        yield b"first"
        raise EOFError("the source ended")

    identity = new_identity()
    with pytest.raises(OSError, match="No space left"):
        encrypt([CONTENT], Full(), [identity.recipient])
    with pytest.raises(EOFError):
        encrypt(broken(), io.BytesIO(), [identity.recipient])


def test_a_key_that_is_none_is_refused_and_no_secret_is_shown():
    identity = new_identity()
    encrypt([CONTENT], io.BytesIO(), [identity.recipient])
    for wrong in ("", "age1", identity.secret, identity.recipient[:-1] + "b"):
        with pytest.raises(KeyRefused):
            encrypt([CONTENT], io.BytesIO(), [wrong])
    for text in ("", "# only a remark\n", "AGE-SECRET-KEY-1NONE", f"{identity.secret}\nmore"):
        with pytest.raises(KeyRefused):
            parse_identities(text)
    assert parse_identities(f"# made\n{identity.secret}\n") == (identity,)
    assert identity.secret not in repr(identity)
