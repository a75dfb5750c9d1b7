"""`python -m suite.street_link cut|mend --state DIR`: a virtual pole and its control room."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from virtual_pole import links
from virtual_pole.street import CONTROL_ROOM, Street

_POLE = "pole-1"


def main() -> int:
    """Cut or mend; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m suite.street_link", description=__doc__)
    parser.add_argument("action", choices=("cut", "mend"))
    parser.add_argument("--state", type=Path, required=True)
    chosen = parser.parse_args()
    done = links.cut if chosen.action == "cut" else links.mend
    done(Street.at(chosen.state), _POLE, CONTROL_ROOM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
