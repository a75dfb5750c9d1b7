"""The doctor on what deters: what is there, and what a node that runs says of it."""

import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import GpioOutput, SoundOutput, TrialOutput
from roeh.core.peers import NodeStatus
from roeh.core.types import ProcessReport
from roeh.doctor.outputs import check_outputs, judge_running_output
from tests.unit.rule_scenes import node

SIREN = TrialOutput(name="siren", file="siren.txt")


def said(tmp_path, output):
    config = node(outputs=(output,))
    paths = type(config.paths)(run_dir=str(tmp_path / "run"))
    config = type(config)(sensors=config.sensors, outputs=(output,), paths=paths)
    (outcome,) = check_outputs(config, SystemClock())
    return outcome


def test_who_has_no_outputs_is_told_so():
    (told,) = check_outputs(node(), SystemClock())
    assert (told.verdict, told.what) == ("OK", "no outputs are set up")


def test_what_is_there_is_well(tmp_path):
    (tmp_path / "closed.wav").write_bytes(b"RIFF....WAVE")
    for output in (
        SoundOutput(name="voice", file=str(tmp_path / "closed.wav")),
        TrialOutput(name="siren", file=str(tmp_path / "siren.txt")),
        GpioOutput(name="lamp", chip="/dev/null", line=1),  # a device that may be used
    ):
        assert said(tmp_path, output).code is None
    assert not (tmp_path / "siren.txt").exists()


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (GpioOutput(name="lamp", chip="{tmp}/gpiochip0", line=1), "cannot be had"),
        (GpioOutput(name="lamp", chip="{tmp}/text", line=1), "is no GPIO chip"),
        (SoundOutput(name="voice", file="{tmp}/text"), "is no WAV"),
        (SoundOutput(name="voice", file="{tmp}/missing"), "cannot be read"),
        (TrialOutput(name="siren", file="{tmp}/away/siren"), "cannot be written"),
    ],
)
def test_what_is_not_is_told_with_its_name(tmp_path, output, text):
    (tmp_path / "text").write_text("neither")
    place = "chip" if isinstance(output, GpioOutput) else "file"
    fields = {name: getattr(output, name) for name in output.__struct_fields__}
    fields[place] = fields[place].format(tmp=tmp_path)
    outcome = said(tmp_path, type(output)(**fields))
    assert outcome.code.word == "OUTPUT-FAILED"
    assert f"output {output.name}" in outcome.what
    assert text in outcome.what


@pytest.mark.parametrize(
    ("detail", "is_well"),
    [
        ("", True),
        ("output lamp: line 23 cannot be set", True),
        ("north: no picture; output siren: cannot be written", False),
    ],
)
def test_a_node_that_runs_is_believed(detail, is_well):
    report = ProcessReport("capture", "degraded", detail, 1, {})
    status = NodeStatus(1, "boot", (report,), 0, 0, 0, 0, 0, 0, "ok")
    assert (judge_running_output(status, SIREN).code is None) == is_well
