"""The verifier agrees with the ONVIF reference validator on every vector, number by number."""

import argparse
import json
from pathlib import Path

import pytest

from roeh.bitstream.mp4_read import read_video
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import SimulatedClock
from roeh.verify.checking import verify
from roeh.verify.commands import add_arguments, beliefs_of
from roeh.verify.facts import SliceFact, facts_of_nals
from roeh.verify.onvif import StreamJudge
from roeh.verify.placing import GopPlace, GopState, StreamPlacer
from roeh.verify.report import Aspect, Check

VECTORS = Path(__file__).parents[1] / "vectors" / "onvif_media_signing"
VERDICTS = json.loads((VECTORS / "verdicts.json").read_text())
NAMES = [name for name in VERDICTS if "@" not in name]

VIDEO = {
    "VIDEO IS VALID!": "valid",
    "VIDEO IS VALID, BUT HAS MISSING FRAMES!": "valid_with_missing",
    "VIDEO IS INVALID!": "invalid",
    "NO COMPLETE GOPS FOUND!": "no_complete_gop",
}
KEY = {
    "PUBLIC KEY IS VALID!": "valid",
    "PUBLIC KEY IS NOT VALID!": "not_valid",
    "PUBLIC KEY COULD NOT BE VALIDATED!": "not_validated",
}
#: What was done to each, by its name: the state of each GOP, and what stands between them.
V, P = GopState.VALID, GopState.PENDING
PLACED = {
    "valid": ([V, V, V, V, V, P], []),
    "flip_in_p_gop2": ([V, GopState.INVALID, V, V, V, P], []),
    "flip_in_i_gop3": ([V, V, GopState.INVALID, V, V, P], []),
    "p_frame_removed_gop2": ([V, GopState.VALID_WITH_MISSING, V, V, V, P], []),
    "p_frames_swapped_gop2": ([V, GopState.INVALID, V, V, V, P], []),
    "p_frame_duplicated_gop2": ([V, GopState.INVALID, V, V, V, P], []),
    "gop3_removed": ([V, GopState.WITHOUT_SIGNATURE, V, V, P], [("gops_missing", 3)]),
    "gops_3_4_swapped": ([V, V, V, V, V, P], [("gop_moved", 4)]),
    "sei_removed_gop2": ([V, GopState.WITHOUT_SIGNATURE, V, V, V, P], []),
    "all_sei_removed": ([GopState.NOT_CHECKED] * 6, []),
    "cut_keeps_previous_sei": ([V, V, V, P], [("foreign_first", 1)]),
    "cut_drops_previous_sei": ([V, V, V, P], []),
}


def gops_of(name):
    gops = []
    for picture in read_video((VECTORS / f"{name}.mp4").read_bytes()).pictures:
        facts = facts_of_nals(split_length_prefixed(picture.unit.nal_units))
        if any(isinstance(fact, SliceFact) and fact.starts_gop for fact in facts):
            gops.append([])
        gops[-1] += facts
    return gops


def believing(*options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return beliefs_of(parser.parse_args([".", *map(str, options)]))


@pytest.mark.parametrize("name", NAMES)
def test_judgements_are_the_references(name):
    expected = VERDICTS[name]
    judge = StreamJudge()
    reports = [judge.take(fact) for gop in gops_of(name) for fact in gop]
    tally = judge.tally()
    assert {
        "correct": tally.valid,
        "correct_with_missing": tally.valid_with_missing,
        "incorrect": tally.invalid,
        "without_signature": tally.without_signature,
        "received": tally.received_frames,
        "validated": tally.validated_frames,
        "pending": tally.pending_frames,
    } == {
        key: int(expected[key])
        for key in (
            "correct",
            "correct_with_missing",
            "incorrect",
            "without_signature",
            "received",
            "validated",
            "pending",
        )
    }
    # The reference lists reports in which nothing is wrong, and marks what it does not look
    # at with _: access unit delimiters that its own reader put in, and parameter sets.
    faultless = [r.statuses for r in reports if r is not None and set(r.statuses) == {"."}]
    assert faultless == [line.replace("_", "") for line in expected["per_report"]]


@pytest.mark.parametrize("name", list(VERDICTS))
def test_words_are_the_references(name):
    file, _, other = name.partition("@")
    root = "other-root.pem" if other else "root.pem"
    report = verify(VECTORS / f"{file}.mp4", believing("--trust", VECTORS / root), SimulatedClock())
    (stream,) = report.streams
    assert stream.video == VIDEO[VERDICTS[name]["video"]]
    assert stream.key == KEY[VERDICTS[name]["key"]]
    # What the reference calls invalid or short is never all right here, and the reverse.
    failed = any(conclusion.check is Check.FAIL for conclusion in report.conclusions)
    assert failed == (
        stream.video in {"invalid", "valid_with_missing"} or stream.key == "not_valid"
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_finding_is_placed_to_its_gop(name):
    placer = StreamPlacer()
    for number, facts in enumerate(gops_of(name), 1):
        placer.take(GopPlace(name, number, 0), facts)
    placer.finish()
    states, between = PLACED[name]
    assert [verdict.state for verdict in placer.verdicts] == states
    assert [(finding.what, finding.place.gop) for finding in placer.findings] == between


def test_every_vector_has_its_place():
    assert set(PLACED) == set(NAMES)


def test_valid_under_a_foreign_root_is_not_trusted():
    report = verify(
        VECTORS / "valid.mp4", believing("--trust", VECTORS / "other-root.pem"), SimulatedClock()
    )
    checks = {conclusion.aspect: conclusion.check for conclusion in report.conclusions}
    assert checks[Aspect.BYTES] is Check.OK
    assert checks[Aspect.SIGNER] is Check.FAIL
    assert report.exit_status == 64 | 32 | 2


def test_nobody_is_trusted_when_no_root_is_named():
    report = verify(VECTORS / "valid.mp4", believing(), SimulatedClock())
    checks = {conclusion.aspect: conclusion.check for conclusion in report.conclusions}
    assert checks[Aspect.SIGNER] is Check.NOT_CHECKED
    assert report.exit_status == 32
