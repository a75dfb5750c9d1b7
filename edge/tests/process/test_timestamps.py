"""Time-stamps by a real authority (openssl ts) behind HTTP, and by one that cheats or is away."""

import pytest

from roeh.bundle.timestamps import TimestampAuthority
from roeh.core.clock import SystemClock
from tests.time_stamping import TimeStamper, openssl, serving

CONTENT = b"roeh/hq/pole-1\n17\nroot\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TimeStamper(tmp_path_factory.mktemp("tsa"))


def stamped(url):
    return TimestampAuthority(url, SystemClock()).stamp(CONTENT)


@pytest.mark.apt("openssl")
def test_openssl_accepts_what_is_taken(authority, tmp_path):
    with serving(authority.answer) as url:
        stamp = stamped(url)
    assert stamp.entry.state == "granted"
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "stamp.tsr").write_bytes(stamp.response)
    said = openssl(
        *("ts", "-verify", "-data", tmp_path / "content", "-in", tmp_path / "stamp.tsr"),
        *("-CAfile", authority.root_file),
    )
    assert "Verification: OK" in said


@pytest.mark.apt("openssl")
def test_an_answer_to_another_question_is_not_taken(authority):
    kept = []

    def first_always(query):
        kept.append(authority.answer(query))
        return kept[0]

    with serving(first_always) as url:
        assert stamped(url).entry.state == "granted"
        again = stamped(url)
    assert again.response == b""
    assert again.entry.state == "failed"
    assert "nonce" in again.entry.detail


@pytest.mark.apt("openssl")
def test_a_stamp_of_something_else_is_not_taken(authority):
    def of_something_else(_query):
        return authority.stamp(b"something else")

    with serving(of_something_else) as url:
        stamp = stamped(url)
    assert (stamp.entry.state, stamp.response) == ("failed", b"")


@pytest.mark.parametrize(
    "answer", [b"", b"garbage", b"0" * 1_000_000], ids=["none", "garbage", "far too long"]
)
def test_garbage_is_told_and_not_taken(answer):
    with serving(lambda _query: answer) as url:
        stamp = stamped(url)
    assert (stamp.entry.state, stamp.response) == ("failed", b"")
    assert stamp.entry.detail


def test_an_authority_that_is_away_or_refuses_is_told():
    with serving(lambda _query: b"", status=503) as url:
        assert "503" in stamped(url).entry.detail
    assert stamped(url).entry.state == "failed"
    assert stamped("http://[nonsense").entry.state == "failed"


def test_without_an_authority_none_is_asked():
    stamp = stamped("")
    assert (stamp.entry.state, stamp.response) == ("none", b"")
