"""`python -m check FILE...`: one line for each mistake; status 1 when there are any."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from check.rules import BOARDS, check_file


def main() -> int:
    """Check the files that the command line names."""
    parser = argparse.ArgumentParser(prog="check", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--as", dest="kind", default="", help="kind of file, where its name is another"
    )
    parser.add_argument(
        "--board", default="", choices=BOARDS, help="whose; else as the folder tells"
    )
    arguments = parser.parse_args()
    mistakes = [
        mistake
        for path in arguments.files
        for mistake in check_file(path, as_kind=arguments.kind, board=arguments.board)
    ]
    for mistake in mistakes:
        sys.stdout.write(f"{mistake}\n")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
