"""The verifier alone: `python3 roeh-verify.pyz PATH ...` is `roeh verify PATH ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from roeh.core.errors import EXIT_INTERRUPTED, RoehError
from roeh.verify import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what is named and print the report; the exit status."""
    parser = argparse.ArgumentParser(
        prog="roeh-verify",
        description="Verify recorded video, or an export bundle, offline: bytes, signer,"
        " completeness, time, custody.",
    )
    commands.add_arguments(parser)
    try:
        status = commands.run(parser.parse_args(arguments))
        sys.stdout.flush()
    except RoehError as error:
        sys.stderr.write(f"{error.line()}\n")
        return error.exit_status
    except BrokenPipeError:
        # Whoever read the report has seen enough; Python is not to try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
