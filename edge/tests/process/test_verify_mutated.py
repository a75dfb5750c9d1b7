"""Whatever the bytes of a file are, the verifier answers: with a finding, never a traceback."""

import os
import random

import pytest

from roeh.core.clock import SimulatedClock, SystemClock
from roeh.keys.chain import trust_anchors
from roeh.verify.bundles.contents import FileContent
from roeh.verify.checking import Beliefs, verify
from roeh.verify.reading import FileFacts, Unreadable, facts_of_file, read_file
from roeh.verify.report import Aspect, Check, Weight
from tests.authorities import City
from tests.sealed_stores import copied, root_pem, sealed_store

MUTATIONS = int(os.environ.get("VERIFY_MUTATIONS", "24"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    city = City()
    store = sealed_store(tmp_path_factory.mktemp("recording") / "store", city, segments=2)
    return Beliefs(anchors=trust_anchors(root_pem(city))), store.directory


def mutated(content, chance):
    """The bytes with some damage: as a disk, a cable or a person might do it."""
    content = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(content))
        size = chance.choice((1, 1, 4, 64, 1024))
        kind = chance.randrange(6)
        if kind == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[at : at + size] = chance.randbytes(size)
        elif kind == 2:
            del content[at : at + size]
        elif kind == 3:
            content[at:at] = chance.randbytes(size)
        elif kind == 4:
            content[at : at + 4] = chance.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\0\0")
            )
        else:
            content[at:at] = content[max(0, at - size) : at]
    return bytes(content)


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_a_mutated_segment_is_found(recording, tmp_path, seed):
    beliefs, directory = recording
    copy = copied(directory, tmp_path / "copy")
    path = copy / "segments" / "north" / "00000001.mp4"
    before = path.read_bytes()
    after = mutated(before, random.Random(seed))
    path.write_bytes(after)
    report = verify(copy, beliefs, SimulatedClock())
    failed = [f for f in report.findings if f.weight is Weight.FAIL]
    named = {f.path for f in failed}
    assert ("segments/north/00000001.mp4" in named) == (before != after)


def test_a_mutated_ledger_never_ends_in_a_traceback(recording, tmp_path):
    beliefs, directory = recording
    copy = copied(directory, tmp_path / "copy")
    path = copy / "ledger" / "000000.jsonl"
    before = path.read_bytes()
    for seed in range(MUTATIONS // 4):
        after = mutated(before, random.Random(seed))
        path.write_bytes(after)
        report = verify(copy, beliefs, SimulatedClock())
        checks = {conclusion.aspect: conclusion.check for conclusion in report.conclusions}
        assert before == after or checks[Aspect.COMPLETE] is Check.FAIL


def test_a_file_that_is_no_video_is_a_finding(recording, tmp_path):
    beliefs, _ = recording
    (tmp_path / "holiday.mp4").write_bytes(b"this is no video")
    report = verify(tmp_path / "holiday.mp4", beliefs, SimulatedClock())
    (found,) = [f for f in report.findings if f.weight is Weight.FAIL]
    assert (found.what, found.path) == ("damaged", "holiday.mp4")


def test_an_empty_file_is_a_finding(recording, tmp_path):
    beliefs, directory = recording
    copy = copied(directory, tmp_path / "copy")
    (copy / "segments" / "north" / "00000001.mp4").write_bytes(b"")
    report = verify(copy, beliefs, SimulatedClock())
    assert "truncated" in {f.what for f in report.findings if f.weight is Weight.FAIL}


def test_a_reader_that_hangs_is_ended_and_told(recording):
    """A pipe that nobody writes to: whoever reads it waits for ever."""
    _, directory = recording
    path = directory.parent / "pipe.mp4"
    os.mkfifo(path)
    clock = SystemClock()
    before = clock.mono_ns()
    answer = read_file(FileContent(path), (), clock, budget_s=1)
    assert isinstance(answer, Unreadable)
    assert "too long" in answer.why
    assert clock.mono_ns() - before < 20 * 10**9


def test_reading_in_a_child_gives_the_same_facts(recording):
    _, directory = recording
    path = directory / "segments" / "north" / "00000001.mp4"
    facts = read_file(FileContent(path), (), SystemClock())
    assert isinstance(facts, FileFacts)
    assert facts == facts_of_file(FileContent(path), ())
    assert isinstance(read_file(FileContent(directory / "nothing"), (), SystemClock()), Unreadable)
