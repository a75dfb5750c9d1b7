"""What a soak has to show: nothing grows, and every gap is one that the camera made.

Pure: the records of the ledger, the camera's own journal and the samples in, complaints out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.soak.camera import Happening
from tests.soak.plan import Misfortune

#: By how much the times of pictures may be off in the machine's seconds: FFmpeg looks at a
#: connection for so long before the first picture, and a stall is seen this late.
TOLERANCE_MACHINE_S = 1.5
#: Segments and gaps of a camera follow one another to the microsecond but for this.
_SEAM_S = 0.5
#: Growth of a process from the second quarter to the last.
MAX_GROWTH_BYTES = 4 * 1024 * 1024
_MAX_MORE_DESCRIPTORS = 4
_MAX_MORE_THREADS = 2


@dataclass(frozen=True)
class Stretch:
    """A segment or a gap of the record, seconds of the stream; `reason` why it ended or is."""

    from_s: float
    to_s: float
    reason: str
    is_gap: bool


@dataclass(frozen=True)
class Growth:
    """What a process took, and how it changed: medians of quarters of the run."""

    process: str
    pss_bytes: int
    slope_bytes_per_h: float
    growth_bytes: int
    more_descriptors: int
    more_threads: int


def growth_of(process: str, samples: Sequence) -> Growth:
    """From samples in order of time; the first quarter is warming up."""
    quarter = max(1, len(samples) // 4)
    settled, last = samples[quarter : 2 * quarter], samples[-quarter:]
    later = samples[quarter:]
    slope = np.polyfit([one.at_s / 3600 for one in later], [one.pss_bytes for one in later], 1)[0]
    return Growth(
        process=process,
        pss_bytes=_median(last, "pss_bytes"),
        slope_bytes_per_h=float(slope),
        growth_bytes=_median(last, "pss_bytes") - _median(settled, "pss_bytes"),
        more_descriptors=_median(last, "descriptors") - _median(settled, "descriptors"),
        more_threads=_median(last, "threads") - _median(settled, "threads"),
    )


def growth_complaints(growth: Growth) -> list[str]:
    """What grows."""
    found = []
    if growth.growth_bytes > MAX_GROWTH_BYTES:
        found.append(f"{growth.process}: memory grew by {growth.growth_bytes / 2**20:.1f} MiB")
    if growth.more_descriptors > _MAX_MORE_DESCRIPTORS:
        found.append(f"{growth.process}: {growth.more_descriptors} more descriptors are open")
    if growth.more_threads > _MAX_MORE_THREADS:
        found.append(f"{growth.process}: {growth.more_threads} more threads run")
    return found


def gap_complaints(
    stretches: Sequence[Stretch], happenings: Sequence[Happening], tolerance_s: float
) -> list[str]:
    """What of the record is not explained by what the camera did, and the other way round."""
    found = []
    for before, after in itertools.pairwise(stretches):
        if abs(after.from_s - before.to_s) > _SEAM_S:
            found.append(f"nothing is said of {before.to_s:.1f} to {after.from_s:.1f} s")
    gaps = [one for one in stretches if one.is_gap]
    found.extend(
        f"a gap from {gap.from_s:.1f} to {gap.to_s:.1f} s that nobody made"
        for gap in gaps
        if not any(_explains(one, gap, tolerance_s) for one in happenings)
    )
    changes = [one for one in stretches if one.reason == "format_changed"]
    for happening in happenings:
        told = changes if happening.misfortune is Misfortune.RESIZE else gaps
        if not any(_explains(happening, one, tolerance_s) for one in told):
            what = happening.misfortune.value
            found.append(f"the {what} at {happening.at_s:.1f} s left no trace in the record")
    return found


def counted(stretches: Sequence[Stretch]) -> str:
    """How many gaps of which reason, and how many segments ended why, in a line."""
    gaps = Counter(one.reason for one in stretches if one.is_gap)
    ends = Counter(one.reason for one in stretches if not one.is_gap)
    return "; ".join(
        f"{name} " + ", ".join(f"{count} {reason}" for reason, count in found.most_common())
        for name, found in (("gaps:", gaps), ("segments ended:", ends))
        if found
    )


def _explains(happening: Happening, stretch: Stretch, tolerance_s: float) -> bool:
    back_s = happening.at_s if happening.back_s is None else happening.back_s
    first_s, last_s = stretch.from_s, stretch.to_s
    if not stretch.is_gap:
        first_s = last_s
    return first_s <= back_s + tolerance_s and last_s >= happening.at_s - tolerance_s


def _median(samples: Sequence, what: str) -> int:
    return round(float(np.median([getattr(one, what) for one in samples])))
