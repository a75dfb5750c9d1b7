"""Prints how often what was done to a camera was told rightly, with 95 % intervals.

    python -m tests.quality.tamper                      # 20 clips, each act by day and by night
    python -m tests.quality.tamper --clips 4 --tuning   # of those that the thresholds are from
    python -m tests.quality.tamper --picture out.png    # what the acts look like

Ends with 1 when less than 98 % of the tampers are told as what they are, or anything at all is
told on an ordinary day.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2

from roeh.demo.footage import fetch_footage
from tests.quality.tamper.acts import ORDINARY, TAMPERS
from tests.quality.tamper.clips import Clip
from tests.quality.tamper.picture import strip
from tests.quality.tamper.tally import Tally, tried

#: Thresholds were chosen on clips 0 to 3, 1000 to 1011, 2000 to 2002 and 3000 to 3006.
TUNING_SEED, TEST_SEED = 1000, 4000
LEAST_RIGHT = 0.98


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.quality.tamper", description=__doc__)
    parser.add_argument("--clips", type=int, default=20, help="of four kinds in turn")
    parser.add_argument("--tuning", action="store_true", help="the clips tuned on")
    parser.add_argument("--picture", type=Path, help="draw the acts instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.picture is not None:
        # A drawn one: the footage is not ours to be shown.
        args.picture.write_bytes(strip(Clip(TUNING_SEED, footage="")))
        return 0
    footage = str(fetch_footage())
    first = TUNING_SEED if args.tuning else TEST_SEED
    tally = Tally()
    for clip in _clips(range(first, first + args.clips), footage):
        for outcome in tried(clip):
            tally.add(outcome)
            if not outcome.is_right:
                sys.stderr.write(f"wrong: {outcome}\n")
        sys.stderr.write(f"clip {clip.seed}: {tally.summary()}\n")
    sys.stdout.write(tally.table([*TAMPERS, *ORDINARY]) + "\n")
    return 0 if tally.right_share.value >= LEAST_RIGHT and tally.false_alarms == 0 else 1


def _clips(seeds: range, footage: str) -> Iterator[Clip]:
    for seed in seeds:
        yield Clip(seed, footage)


if __name__ == "__main__":
    sys.exit(main())
