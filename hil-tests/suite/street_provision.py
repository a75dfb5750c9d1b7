"""`python -m suite.street_provision --state DIR`: the control room, then the poles, by Ansible."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from virtual_pole import playbooks
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed

_PLAYBOOKS = ("control-room", "site")


def main() -> int:
    """Run the playbooks; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m suite.street_provision", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    street = Street.at(parser.parse_args().state)
    try:
        for playbook in _PLAYBOOKS:
            playbooks.run(street, playbook, f"suite-{playbook}")
    except PoleFailed as failure:
        print(f"suite: {failure}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
