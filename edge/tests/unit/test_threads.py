"""Another thread is taken only where it saves much time for hardly more CPU."""

import pytest

from roeh.vision.threads import Inference, worth_it


@pytest.mark.parametrize(
    ("measured", "threads"),
    [
        ([(20, 20)], 1),
        ([(20, 20), (11, 21)], 2),
        ([(20, 20), (19, 21)], 1),
        ([(20, 20), (11, 26)], 1),
        ([(20, 20), (11, 21), (10, 22)], 2),
        ([(20, 20), (11, 21), (7, 22)], 3),
    ],
    ids=["one core", "twice as fast", "hardly faster", "too dear", "third is idle", "three"],
)
def test_the_fewest_threads_that_are_worth_it(measured, threads):
    inferences = tuple(
        Inference(number, wall_ns=wall, cpu_ns=cpu)
        for number, (wall, cpu) in enumerate(measured, 1)
    )

    assert worth_it(inferences) == threads
