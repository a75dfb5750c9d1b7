"""Canonical JSON is that of RFC 8785, as an independent writer has it."""

import hypothesis
import msgspec
import pytest
import rfc8785
from hypothesis import strategies

from roeh.core.errors import MessageRefused
from roeh.ledger.canonical import MAX_INTEGER, canonical_json, canonical_struct
from roeh.ledger.records import AccessRecord, Record

# Every character but half a surrogate pair; the ranges meet what sorts and escapes apart.
TEXTS = strategies.text(
    strategies.one_of(
        strategies.characters(codec="utf-8"),
        strategies.characters(codec="utf-8", max_codepoint=0x7F),
        strategies.sampled_from("\ue000\uffff\U00010000\U0001f600\U0010ffff\ud7ff\x7f\u2028/"),
    )
)
VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-MAX_INTEGER, MAX_INTEGER)
    | TEXTS,
    lambda inner: strategies.lists(inner) | strategies.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@hypothesis.settings(max_examples=150)
@hypothesis.given(VALUES)
def test_writes_what_an_independent_writer_writes(value):
    assert canonical_json(value) == rfc8785.dumps(value)


def test_names_are_sorted_by_utf_16_code_units():
    # The example of RFC 8785 section 3.2.3, without its last figures.
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }

    names = list(msgspec.json.decode(canonical_json(value)))

    assert names == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_only_what_has_to_be_escaped_is_escaped():
    assert canonical_json('\x0f\n"\\\x7f/\u2028€') == '"\\u000f\\n\\"\\\\\x7f/\u2028€"'.encode()


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        float("nan"),
        1.0,
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        {"\udfff": 1},
        {1: "one"},
        [b"bytes"],
        {"set": {1}},
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_here_is_refused(value):
    with pytest.raises(MessageRefused):
        canonical_json(value)


def test_a_record_is_written_with_its_kind_and_read_back():
    record = Record(
        leaf=7,
        site="hq",
        node="pole-1",
        boot_id="b",
        t_mono_us=1,
        t_utc_us=2,
        utc_error_us=3,
        synchronised=False,
        body=AccessRecord(person="p-1", action="list", detail="עמוד"),
    )

    written = canonical_struct(record)

    assert (
        written
        == (
            '{"body":{"action":"list","cameras":[],"certificate_sha256":"","detail":"עמוד",'
            '"export_id":"","from_utc_us":0,"kind":"access","person":"p-1","role":"",'
            '"to_utc_us":0},'
            '"boot_id":"b","leaf":7,"node":"pole-1","schema":"roeh/record/1","site":"hq",'
            '"synchronised":false,"t_mono_us":1,"t_utc_us":2,"utc_error_us":3}'
        ).encode()
    )
    assert msgspec.json.decode(written, type=Record) == record
