"""The short form of `make quality`: a few scenes of every kind, on seeds that nothing was tuned on.

Seldom enough for CI and few enough to tell a broken rule, no more: the figures are
`make quality`'s (edge/design/rule-quality.md).
"""

from __future__ import annotations

import pytest

from tests.quality.play import play
from tests.quality.scenes import Kind, scene_of
from tests.quality.score import IN_TIME_S, judged
from tests.quality.stages import Camera, Weather
from tests.quality.suite import SPLITS

SEED = SPLITS["test"] - 991
#: Each kind of scene once, visits by day and by night.
SCENES = (
    (Kind.VISITS, Camera.PINHOLE, Weather.DAY),
    (Kind.VISITS, Camera.PINHOLE, Weather.NIGHT),
    (Kind.CROWDS, Camera.PINHOLE, Weather.RAIN),
    (Kind.RUNS, Camera.PINHOLE, Weather.FLICKER),
    (Kind.DISPERSALS, Camera.PINHOLE, Weather.RAIN),
    (Kind.STOPS, Camera.PINHOLE, Weather.DAY),
    (Kind.LEFT, Camera.PINHOLE, Weather.NIGHT),
)


@pytest.mark.parametrize(
    ("kind", "camera", "weather"), SCENES, ids=[f"{k.value}-{w.value}" for k, _, w in SCENES]
)
def test_what_happens_is_told_in_time_and_nothing_else(kind, camera, weather):
    scene = scene_of(kind, camera, weather, SEED)
    outcomes = judged(scene, play(scene))
    events = sum(one.events for one in outcomes)
    delays = sorted(delay for one in outcomes for delay in one.delays_s)
    assert events >= 1
    assert [one.wrong for one in outcomes if one.wrong] == []
    # One in ten may be missed or late, lest a test of few stands or falls with one look.
    assert len(delays) >= 0.9 * events
    assert sum(delay <= IN_TIME_S + 1e-6 for delay in delays) >= 0.9 * len(delays)
