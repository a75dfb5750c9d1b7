"""How many threads an inference is worth, by measurement."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from roeh.core.clock import Clock, process_cpu_ns

#: More than this no model of ours gains from.
MOST_THREADS = 4
_WARM_UP, _RUNS = 2, 5
#: Another thread is worth it if it takes so much of the time away ...
_FASTER = 0.75
#: ... for no more CPU than this.
_DEARER = 1.15


class Inference(msgspec.Struct, frozen=True):
    """What one inference took, the median of a few.

    Attributes:
        threads: it ran on.
        wall_ns: until it was done.
        cpu_ns: of all threads.
    """

    threads: int
    wall_ns: int
    cpu_ns: int


def worth_it(measured: tuple[Inference, ...]) -> int:
    """The number of threads to run on: the fewest, unless more are much faster for as much CPU.

    Args:
        measured: by rising number of threads.
    """
    best = measured[0]
    for more in measured[1:]:
        is_faster = more.wall_ns <= _FASTER * best.wall_ns
        if not (is_faster and more.cpu_ns <= _DEARER * measured[0].cpu_ns):
            break
        best = more
    return best.threads


def measure(threads: int, invoke: Callable[[], object], clock: Clock) -> Inference:
    """Time an inference."""
    for _ in range(_WARM_UP):
        invoke()
    wall_ns, cpu_ns = [], []
    for _ in range(_RUNS):
        began_ns, began_cpu_ns = clock.mono_ns(), process_cpu_ns()
        invoke()
        wall_ns.append(clock.mono_ns() - began_ns)
        cpu_ns.append(process_cpu_ns() - began_cpu_ns)
    return Inference(threads, sorted(wall_ns)[_RUNS // 2], sorted(cpu_ns)[_RUNS // 2])
