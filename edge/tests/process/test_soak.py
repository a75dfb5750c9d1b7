"""Minutes of a camera that stalls, reboots and changes: the short form of `make soak`."""

from dataclasses import replace

import pytest

from tests.soak.camera import Happening
from tests.soak.judging import Stretch, gap_complaints, growth_complaints, growth_of
from tests.soak.outcome import judge
from tests.soak.plan import Misfortune, draw
from tests.soak.suite import STALL_S, Sample, soak

_SPEED = 40.0
_DURATION_S = 160.0


@pytest.mark.timeout(90)
def test_nothing_grows_and_every_gap_is_one_that_the_camera_made(tmp_path):
    plan = draw(1, duration_s=_DURATION_S, count=4, stall_s=STALL_S * _SPEED)
    assert {event.misfortune for event in plan} == set(Misfortune)

    outcome = judge(soak(tmp_path, plan, duration_s=_DURATION_S, speed=_SPEED))

    assert outcome.complaints == ()


RECORD = [
    Stretch(0.0, 100.0, "source_stalled", is_gap=False),
    Stretch(100.0, 130.0, "source_stalled", is_gap=True),
    Stretch(130.0, 200.0, "format_changed", is_gap=False),
    Stretch(200.0, 300.0, "capture_stopped", is_gap=False),
]
CAMERA = [
    Happening(Misfortune.STALL, 99.0, 120.0),
    Happening(Misfortune.RESIZE, 199.0, 199.0),
]


def test_what_is_explained_is_no_complaint():
    assert gap_complaints(RECORD, CAMERA, 5.0) == []


@pytest.mark.parametrize(
    ("record", "camera", "complaint"),
    [
        (RECORD, CAMERA[1:], "a gap from 100.0 to 130.0 s that nobody made"),
        (RECORD[:1] + RECORD[2:], CAMERA, "nothing is said of 100.0 to 130.0 s"),
        (RECORD, [*CAMERA, Happening(Misfortune.CODEC, 250.0, 260.0)], "the codec at 250.0 s left"),
        ([*RECORD[:2], replace(RECORD[2], reason="full"), RECORD[3]], CAMERA, "the resize at"),
    ],
)
def test_what_is_not_explained_is_a_complaint(record, camera, complaint):
    found = gap_complaints(record, camera, 5.0)

    assert any(line.startswith(complaint) for line in found)


def samples(pss_mib, descriptors=20, threads=8):
    return [
        Sample("capture", at_s=60.0 * number, pss_bytes=round(pss_mib(number) * 2**20),
               descriptors=descriptors, threads=threads)
        for number in range(80)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("grown", "complaint"),
    [
        (samples(lambda n: 50 + 0.2 * n), "capture: memory grew by"),
        (samples(lambda n: 50) + samples(lambda n: 50, descriptors=60), "capture: 40 more desc"),
        (samples(lambda n: 50) + samples(lambda n: 50, threads=30), "capture: 22 more threads"),
    ],
)
def test_what_grows_is_a_complaint(grown, complaint):
    assert any(
        line.startswith(complaint) for line in growth_complaints(growth_of("capture", grown))
    )


def test_warming_up_and_breathing_are_no_growth():
    breathing = samples(lambda n: min(50, 20 + 3 * n) + 3 * (n % 7 == 0))

    assert growth_complaints(growth_of("capture", breathing)) == []
