"""A signed statement is believed by the one it is for, as what it is, unchanged, or not at all."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.errors import KeyRefused, MessageRefused
from roeh.transport.signed import (
    DeskKey,
    StatementKind,
    open_statement,
    parse_desk_key,
    sign_statement,
)

PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY = DeskKey("haifa-desk", PRIVATE.public_key().public_bytes_raw())
OTHER_KEY = DeskKey("acre-desk", OTHER.public_key().public_bytes_raw())
POLE = "harbour/pole"
BODY = b'{"acks":[]}'


def signed(kind=StatementKind.ACK, addressee=POLE, body=BODY, name="haifa-desk", key=PRIVATE):
    return sign_statement(kind, addressee, body, name=name, key=key)


def test_it_is_believed_as_what_it_is():
    statement = open_statement(signed(), StatementKind.ACK, POLE, (OTHER_KEY, KEY))
    assert (statement.signer, statement.body) == ("haifa-desk", BODY)


@pytest.mark.parametrize(
    ("kind", "addressee", "keys"),
    [
        (StatementKind.COMMAND, POLE, (KEY,)),
        (StatementKind.ACK, "harbour/pole-2", (KEY,)),
        (StatementKind.ACK, "harbour/pol", (KEY,)),
        (StatementKind.ACK, POLE, (OTHER_KEY,)),
        (StatementKind.ACK, POLE, ()),
    ],
)
def test_it_is_not_believed_as_anything_else(kind, addressee, keys):
    with pytest.raises(MessageRefused):
        open_statement(signed(), kind, addressee, keys)


def test_another_key_under_a_known_name_is_not_believed():
    forged = signed(name="haifa-desk", key=OTHER)
    with pytest.raises(MessageRefused):
        open_statement(forged, StatementKind.ACK, POLE, (KEY,))


@given(st.data())
def test_not_one_byte_of_it_may_change(data):
    raw = bytearray(signed())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MessageRefused):
        open_statement(bytes(raw), StatementKind.ACK, POLE, (KEY,))


@given(st.binary(max_size=400))
def test_garbage_is_refused_in_words(raw):
    with pytest.raises(MessageRefused):
        open_statement(raw, StatementKind.ACK, POLE, (KEY,))


@pytest.mark.parametrize("body", [b"{}\nroeh-cmd/v1", b"{}\n\nx"])
def test_a_body_of_several_lines_is_never_signed(body):
    with pytest.raises(ValueError, match="one line"):
        signed(body=body)


def test_a_verifier_key_reads_back_and_a_damaged_one_does_not():
    assert parse_desk_key(KEY.verifier_key) == KEY
    for damaged in (KEY.verifier_key[:-4], KEY.verifier_key.replace("haifa", "acre"), "", "a+b+c"):
        with pytest.raises(KeyRefused):
            parse_desk_key(damaged)
