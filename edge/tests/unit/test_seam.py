"""The 0/360 seam does not exist for the tracker: ten walkers, 22 crossings, no identity lost."""

from __future__ import annotations

import numpy as np
import pytest

from roeh.vision.tracker import Tracker
from tests.unit.walkers import Circlers, Watcher, follow

SCENE_SEED = 4
DURATION_S = 120.0


def occlusions(seed: int, people: int) -> list[tuple[int, float, float]]:
    """Everybody is hidden for 1 to 2 s about every 13 s: (person, from, to)."""
    rng = np.random.default_rng(seed)
    return [
        (person, start_s, start_s + rng.uniform(1.0, 2.0))
        for person in range(people)
        for start_s in np.arange(rng.uniform(3.0, 13.0), DURATION_S, 13.0)
    ]


def test_the_scene_crosses_the_seam_22_times():
    assert Circlers.of(SCENE_SEED).seam_crossings(DURATION_S) == 22


@pytest.mark.parametrize("doubles", [False, True], ids=["single", "overlapping tiles"])
def test_no_identity_is_lost_at_the_seam(doubles: bool):
    watcher = Watcher(np.random.default_rng(11), doubles=doubles)

    score = follow(Tracker().update, Circlers.of(SCENE_SEED), watcher, duration_s=DURATION_S)

    assert score.switches == 0
    assert score.duplicates == 0
    assert [len(ids) for ids in score.ids.values()] == [1] * 10
    assert score.followed / score.looks > 0.99


def test_people_hidden_for_a_second_or_two_keep_their_ids():
    hidden = occlusions(seed=5, people=10)
    watcher = Watcher(np.random.default_rng(12))

    score = follow(
        Tracker().update,
        Circlers.of(SCENE_SEED),
        watcher,
        duration_s=DURATION_S,
        hidden=lambda t_s: [person for person, start, end in hidden if start <= t_s < end],
    )

    assert len(hidden) > 80
    assert score.switches <= 2  # two who meet while one is hidden may be taken for each other
    assert max(track_id for ids in score.ids.values() for track_id in ids) <= 12
