"""`python -m suite.street_playbooks --state DIR PLAYBOOK...`: Ansible on a virtual street.

What follows `--` goes to ansible-playbook as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from virtual_pole import playbooks
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed


def main() -> int:
    """Run the playbooks one after the other; the process's exit status."""
    words = sys.argv[1:]
    options = words[words.index("--") + 1 :] if "--" in words else []
    parser = argparse.ArgumentParser(prog="python -m suite.street_playbooks", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("playbooks", nargs="+", metavar="PLAYBOOK")
    chosen = parser.parse_args(words[: words.index("--")] if "--" in words else words)
    street = Street.at(chosen.state)
    try:
        for playbook in chosen.playbooks:
            log_name = f"suite-{playbook}"
            playbooks.run(street, playbook, log_name, *options, patience_s=chosen.patience)
    except PoleFailed as failure:
        print(f"suite: {failure}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
