"""A public key of age is taken as `age` itself would, and never with a mistake in it."""

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.access.age_recipients import is_age_recipient

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
KEYS = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(20)]


def age_takes(text):
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_age_made_is_one(key):
    assert is_age_recipient(key)


@given(st.sampled_from(KEYS), st.data())
def test_up_to_four_wrong_characters_are_seen(key, data):
    places = data.draw(st.sets(st.integers(4, len(key) - 1), min_size=1, max_size=4))
    mistyped = list(key)
    for place in places:
        others = _ALPHABET.replace(key[place], "")
        mistyped[place] = data.draw(st.sampled_from(others))

    assert not is_age_recipient("".join(mistyped))


@given(st.sampled_from(KEYS), st.integers(4, 60))
def test_two_neighbours_in_the_wrong_order_are_seen(key, place):
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]

    assert is_age_recipient(swapped) == (swapped == key)


@given(st.text(max_size=80) | st.text(_ALPHABET, min_size=58, max_size=58).map("age1".__add__))
def test_anything_else_is_none(text):
    assert is_age_recipient(text) == age_takes(text)


@pytest.mark.parametrize(
    "other", ["", "age1", "age1" + "q" * 58, "ssh-ed25519 AAAA", KEYS[0].upper(), KEYS[0] + "\n"]
)
def test_what_age_may_know_and_we_do_not_take(other):
    assert not is_age_recipient(other)
