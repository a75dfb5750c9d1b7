"""Which locked packages have known vulnerabilities (`make audit`). Informative: it never fails.

Asks pip-audit, where it is installed, about each lock. What could not be asked is said to be NOT
CHECKED, and never to be without findings.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: What is on poles and in control rooms, and what brings it there.
LOCKS = ("node", "desk", "verify", "police", "tpm", "provision")
_PATIENCE_S = 60.0
#: pip-audit's own: vulnerabilities were found.
_FOUND = 1


def main() -> int:
    """Say what is known of every lock; always 0."""
    program = shutil.which("pip-audit")
    for lock in LOCKS:
        print(f"audit: {lock}: {said_of(lock, program)}")
    return 0


def said_of(lock: str, program: str | None) -> str:
    """What is known of a lock, or that it was not asked and why."""
    if program is None:
        return "NOT CHECKED (pip-audit is not installed)"
    command = [program, "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    try:
        done = subprocess.run(
            [*command, "--requirement", str(HERE / f"{lock}.txt")],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"NOT CHECKED ({type(error).__name__})"
    if done.returncode == 0:
        return "nothing known"
    if done.returncode == _FOUND and done.stdout.strip():
        return f"advisories\n{done.stdout.strip()}"
    last = done.stderr.strip().splitlines()[-1:]
    return f"NOT CHECKED ({''.join(last)[:200]})"


if __name__ == "__main__":
    sys.exit(main())
