"""Whatever is changed in a request on its way, nobody else gets certificates by its token."""

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import SystemClock
from roeh.core.errors import RoehError
from roeh.keys.certificates import new_private_key, signing_request
from roeh.keys.enrolment import TOKEN_BYTES, Token, enrolment_request, parse_enrolment_request
from roeh.keys.key_pem import certificates_in
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.tokens import TokenBook, sign_enrolment
from tests.ceremonies import KeyKeeper

CLOCK = SystemClock()
POLE, BOARD = NodeName("haifa", "pole-7"), "10000000a1b2c3d4"
KEY = new_private_key()
REQUESTS = signing_request(POLE, KeyUsage.TLS, KEY).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def keeper(tmp_path_factory):
    return KeyKeeper(tmp_path_factory.mktemp("city"))


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_gives_a_refusal_or_the_same_certificate(keeper, place, change):
    token, _ = TokenBook(keeper.ca_dir).make(POLE, BOARD, 48, CLOCK)
    content = bytearray(enrolment_request(token, POLE, BOARD, REQUESTS))
    content[place % len(content)] ^= change

    try:
        signed = sign_enrolment(keeper.ca, bytes(content), 1000, CLOCK)
    except RoehError:
        return
    (leaf,) = [
        item
        for item in certificates_in(signed.certificates_pem)
        if item.public_key() == KEY.public_key()
    ]
    assert leaf.subject.rfc4514_string() == "CN=pole-7,OU=tls,O=haifa"
    assert signed.record.name == POLE


@given(st.binary(max_size=400))
def test_garbage_is_refused_in_a_line(keeper, garbage):
    for content in (garbage, REQUESTS + garbage, garbage + REQUESTS):
        with pytest.raises(RoehError):
            sign_enrolment(keeper.ca, content, 1000, CLOCK)


@given(st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES), st.randoms())
def test_a_token_is_read_as_it_was_printed_however_it_is_typed(secret, chance):
    token = Token(secret)
    typed = "".join(
        chance.choice((letter, letter.upper(), f" {letter}")) for letter in token.text
    ).replace("-", chance.choice(("-", " ", "")))

    read = Token.parsed(typed, "the terminal")

    assert (read.id, read.key) == (token.id, token.key)
    request = parse_enrolment_request(enrolment_request(read, POLE, BOARD, REQUESTS))
    assert request.is_authentic(token.key)
    assert not request.is_authentic(Token(bytes(reversed(secret)) + b"x").key)
