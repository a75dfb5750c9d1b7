"""Runs with the technician's environment, which has Ansible: poles in, their mistakes out.

Standard input: JSON, a list of cases, each a list of poles with `name` and `variables`. Standard
output: JSON, for each case the lines that preflight tells.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy/ansible/plugins"))

from pole_inventory.checked import checked
from pole_inventory.fleet import Pole


def main() -> None:
    cases = json.load(sys.stdin)
    json.dump(
        [
            [
                mistake.line()
                for mistake in checked(
                    [Pole(pole["name"], pole["variables"]) for pole in case],
                    control_rooms=["control-1"],
                    sources=[],
                )
            ]
            for case in cases
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()
