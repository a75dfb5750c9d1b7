"""`roeh evidence clip`: what was asked for, proven by its own signatures, on record first."""

import hashlib
import json
import os
import signal
import subprocess
from datetime import datetime, timezone

import pytest

from roeh.core.errors import ChecksFailed, EvidenceRefused, OutputRefused, PeerGone
from roeh.verify.placing import GopState
from roeh.verify.report import Aspect, Check
from tests.apt import require_packages
from tests.gops import GOP_US, UNITS_PER_GOP
from tests.process.children import start
from tests.process.custodians import PERSON, clip_and_die, clip_when, custodian, probed

GOP_S = GOP_US / 1e6
FAILED = ChecksFailed.exit_status


@pytest.fixture
def pole(short_directory):
    with custodian(short_directory) as pole:
        yield pole


def times(pole, from_s, to_s):
    """Options for a stretch of time since the first picture."""
    begin_s = pole.begin_us / 1e6
    texts = [f"{t:%Y-%m-%dT%H:%M:%S.%fZ}" for t in map(_moment, (begin_s + from_s, begin_s + to_s))]
    return ("--from", texts[0], "--to", texts[1])


def _moment(t_s):
    return datetime.fromtimestamp(t_s, timezone.utc)


def clip(pole, capsys, *asked, status=0, name="clip.mp4"):
    """What the command says of each clip, and of each damage."""
    capsys.readouterr()
    out = pole.directory / name
    assert pole.run("clip", *asked, "--out", out, *PERSON, "--json") == status
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [one for one in said if one["kind"] == "clip"], said


def states(pole, path):
    (file,) = pole.verified(path).files
    return [gop.stream_signature for gop in file.gops]


def is_proven(pole, told):
    """Whether each GOP asked for is valid and its signer trusted, by the file alone."""
    report = pole.verified(told["path"])
    answers = {one.aspect: one.check for one in report.conclusions}
    asked_for = told["gops"] - told["late_gops"]
    found = states(pole, told["path"])
    return (
        answers[Aspect.BYTES] is answers[Aspect.SIGNER] is Check.OK
        and len(found) == told["gops"]
        and found[:asked_for] == [GopState.VALID] * asked_for
    )


@pytest.mark.apt("ffmpeg")
@pytest.mark.parametrize("reorder", [False, True])
def test_every_gop_asked_for_is_there_and_proven(short_directory, capsys, reorder):
    require_packages("ffmpeg")
    with custodian(short_directory, reorder=reorder) as pole:
        pole.record(12)
        (told,), _ = clip(pole, capsys, *times(pole, 0.6, 2.1))
        assert told["gops"] - told["late_gops"] == 4
        assert told["inside"]["from_us"] == pole.begin_us + GOP_US
        assert is_proven(pole, told)
        pictures, _, complaints = probed(told["path"])
        assert (pictures, complaints) == (told["gops"] * UNITS_PER_GOP, "")


@pytest.mark.apt("ffmpeg")
def test_of_h265_nothing_is_added_for_signatures_that_it_has_not(short_directory, capsys):
    require_packages("ffmpeg")
    with custodian(short_directory, codec="h265") as pole:
        pole.record(6)
        (told,), _ = clip(pole, capsys, "--segment", 2)
        assert (told["gops"], told["late_gops"]) == (2, 0)
        assert probed(told["path"]) == (2 * UNITS_PER_GOP, 2 * GOP_S, "")


def test_segments_by_number_and_those_that_are_being_written(pole, capsys):
    pole.record(5)
    (told,), _ = clip(pole, capsys, "--segment", 3, "--segment", 2)
    assert [one["path"] for one in told["segments"]] == [
        "north/00000002.mp4",
        "north/00000003.mp4",
    ]
    written = told["segments"][1]
    assert written["leaf"] is None
    prefix = pole.segment(3).read_bytes()[: written["size_bytes"]]
    assert written["sha256"] == hashlib.sha256(prefix).hexdigest()
    assert told["gops"] == 3


def test_what_an_alert_locked(pole, capsys):
    first_us = pole.north.mono_us + GOP_US
    pole.record(8)
    alert_id, _ = pole.alert(first_us + 1, first_us + GOP_US)
    (told,), _ = clip(pole, capsys, "--alert", alert_id)
    assert told["camera_id"] == "north"
    assert told["gops"] - told["late_gops"] == 2
    assert told["inside"]["from_us"] == pole.begin_us + GOP_US
    assert is_proven(pole, told)


def test_the_file_says_what_it_is_and_from_what(pole, capsys):
    pole.record(8)
    (told,), _ = clip(pole, capsys, "--segment", 1, "--segment", 2)
    content = (pole.directory / "clip.mp4").read_bytes()
    assert hashlib.sha256(content).hexdigest() == told["sha256"]
    assert b"a derivative: the originals are the segments" in content
    assert b"node: site/pole" in content
    assert b"asked for: segments 1 to 2" in content
    for number in (1, 2):
        sha256 = hashlib.sha256(pole.segment(number).read_bytes()).hexdigest()
        assert f"sha256 {sha256}".encode() in content
        assert f"leaf {told['segments'][number - 1]['leaf']}".encode() in content


def test_who_took_it_is_on_record_with_its_hash(pole, capsys):
    pole.record(6)
    (told,), _ = clip(pole, capsys, "--segment", 1)
    pole.evidence.stop()
    (access,) = pole.records("access")
    assert (pole.who(access["person"]), access["action"]) == ("A. Visser", "clip")
    assert access["detail"].startswith(f"sha256 {told['sha256']}, {told['size_bytes']} bytes")
    assert access["detail"].endswith("; case 7")


def test_without_a_process_the_store_itself_is_asked(pole, capsys):
    pole.record(6)
    pole.evidence.stop()
    (told,), _ = clip(pole, capsys, "--segment", 1)
    assert is_proven(pole, told)
    assert len(pole.records("access")) == 1


@pytest.mark.apt("ffmpeg")
def test_a_restart_of_evidence_is_a_gap_that_is_told_and_stays_as_long_as_it_was(pole, capsys):
    require_packages("ffmpeg")
    pole.record(4)
    pole.evidence.stop()
    pole.north.skip(7_000_000)
    pole.evidence.start()
    pole.record(4)
    (told,), _ = clip(pole, capsys, *times(pole, 0, 60))
    (gap,) = told["gaps"]
    assert gap["reason"] == "stopped"
    assert gap["to_mono_us"] - gap["from_mono_us"] == 7_000_000
    assert probed(told["path"]) == (40, pytest.approx(8 * GOP_S + 7), "")
    assert states(pole, told["path"])[:7] == [GopState.VALID] * 7


def test_nothing_recorded_long_after_the_end_asked_for_gets_in(pole, capsys):
    pole.record(4)
    pole.evidence.stop()
    pole.north.skip(3_600_000_000)
    pole.evidence.start()
    pole.record(4)
    (told,), _ = clip(pole, capsys, *times(pole, 0, 60))
    assert (told["gops"], told["late_gops"]) == (4, 0)
    assert told["lacks_end"]


def test_a_change_of_format_makes_two_files(pole, capsys):
    pole.record(6)
    pole.north.resize(320, 192)
    pole.record(6)
    told, _ = clip(pole, capsys, *times(pole, 0, 4.9))
    names = [one["path"].rpartition("/")[2] for one in told]
    assert names == ["clip-1.mp4", "clip-2.mp4"]
    assert not (pole.directory / "clip.mp4").exists()
    assert states(pole, told[0]["path"])[:5] == [GopState.VALID] * 5
    assert is_proven(pole, told[1])


def test_a_span_without_video_names_those_that_are_there(pole, capsys):
    pole.record(4)
    with pytest.raises(EvidenceRefused) as refused:
        clip(pole, capsys, *times(pole, 500, 600))
    line = refused.value.line()
    assert "no video in what was asked for" in line
    assert f"{_moment(pole.begin_us / 1e6):%Y-%m-%d %H:%M:%SZ} to" in line
    assert "\n" not in line
    with pytest.raises(EvidenceRefused, match="there is: north"):
        clip(pole, capsys, "--camera", "south", "--segment", 1)
    with pytest.raises(EvidenceRefused, match="end is not after the start"):
        clip(pole, capsys, *times(pole, 2, 1))
    assert list(pole.directory.glob("*clip*")) == []


def test_what_is_not_there_of_a_span_is_said(pole, capsys):
    pole.record(4)
    pole.run("clip", *times(pole, -30, 60), "--out", pole.directory / "clip.mp4", *PERSON)
    said = capsys.readouterr().out
    assert said.count("no video  before") == said.count("no video  after") == 1
    assert "A derivative: the originals are the segments." in said


def test_an_unclear_order_is_refused(pole, capsys):
    pole.record(2)
    alert = ("--alert", "01890a5d-ac96-774b-bcce-b302099a8057")
    for asked in (
        (),
        ("--from", "2026-01-01T00:00:00Z"),
        ("--segment", 1, *alert),
        ("--segment", 1, "--segment", 2, "--segment", 3),
    ):
        with pytest.raises(EvidenceRefused, match="not clear"):
            clip(pole, capsys, *asked)


# Damage.


def test_changed_bytes_are_in_the_clip_and_told(pole, capsys):
    pole.record(8)
    content = bytearray(pole.segment(2).read_bytes())
    content[-1] ^= 1
    pole.segment(2).write_bytes(content)
    (told,), said = clip(pole, capsys, "--segment", 1, "--segment", 3, status=FAILED)
    (damage,) = (one for one in said if one["kind"] == "damage")
    assert (damage["path"], damage["part"]) == ("north/00000002.mp4", "fragment 1")
    assert not damage["is_left_out"]
    found = states(pole, told["path"])
    assert [number for number, state in enumerate(found) if state is GopState.INVALID] == [3]


def test_a_missing_segment_and_one_cut_off_are_told(pole, capsys):
    pole.record(10)
    pole.segment(2).unlink()
    os.truncate(pole.segment(3), pole.segment(3).stat().st_size - 1)
    out = pole.directory / "clip.mp4"
    asked = ("--segment", 1, "--segment", 4)
    assert pole.run("clip", *asked, "--out", out, *PERSON) == FAILED
    failures = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert [failure.split(";")[0] for failure in failures] == [
        "FAIL segments/north/00000002.mp4: the whole file is not there",
        failures[1].split(";")[0],
    ]
    assert failures[1].startswith("FAIL segments/north/00000003.mp4: fragment 1 cannot be read")
    assert out.exists()
    pole.evidence.stop()
    assert "2 parts damaged" in pole.records("access")[0]["detail"]


def test_a_clip_of_nothing_that_can_be_read_is_refused(pole, capsys):
    pole.record(4)
    pole.segment(1).write_bytes(b"not video")
    with pytest.raises(EvidenceRefused, match="none of what was asked for can be read"):
        clip(pole, capsys, "--segment", 1)
    assert list(pole.directory.glob("*clip*")) == []


# Nothing under the final name that is not whole, on record, and new.


def test_what_cannot_be_put_on_record_is_no_clip(pole):
    pole.record(4)
    with pytest.raises(PeerGone):
        clip_when(pole.config_path, pole.directory / "clip.mp4", pole.evidence.kill)
    assert list(pole.directory.glob("*clip*")) == []


def test_words_that_no_record_takes_are_refused_at_once(pole):
    pole.record(2)
    out = pole.directory / "clip.mp4"
    for person, reason in (("", "x"), ("A", 201 * "x"), ("A", "\n ")):
        words = ("--person", person, "--reason", reason)
        with pytest.raises(EvidenceRefused, match="cannot be put on record"):
            pole.run("clip", "--segment", 1, "--out", out, *words)


def test_no_file_is_overwritten_not_even_one_that_comes_meanwhile(pole):
    pole.record(4)
    out = pole.directory / "clip.mp4"
    with pytest.raises(OutputRefused, match="none is overwritten"):
        clip_when(pole.config_path, out, lambda: out.write_bytes(b"mine"))
    assert out.read_bytes() == b"mine"
    with pytest.raises(OutputRefused, match="none is overwritten"):
        clip_when(pole.config_path, out, pytest.fail)
    assert [path.name for path in pole.directory.glob("*clip*")] == ["clip.mp4"]


def test_killed_in_the_middle_it_leaves_nothing_under_its_name(pole, capsys):
    pole.record(4)
    process = start(clip_and_die, pole.config_path, pole.directory / "clip.mp4")
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    (left,) = pole.directory.glob("*clip*")
    assert left.name.startswith(".clip.mp4.")
    (told,), _ = clip(pole, capsys, "--segment", 1)
    assert is_proven(pole, told)
    pole.evidence.stop()
    assert len(pole.records("access")) == 1


def test_a_full_disk_leaves_nothing(as_root, short_directory, capsys):
    small = short_directory / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small]
    with custodian(short_directory, noise=60) as pole:
        pole.record(16)
        subprocess.run(mount, check=True)
        try:
            with pytest.raises(OutputRefused, match="No space left") as refused:
                clip(pole, capsys, "--segment", 1, "--segment", 8, name="small/clip.mp4")
            assert "\n" not in refused.value.line()
            assert list(small.iterdir()) == []
        finally:
            subprocess.run(["umount", small], check=True)
        pole.evidence.stop()
        assert pole.records("access") == []
