"""Which locked packages have known vulnerabilities (`make audit`). Informative: it never fails.

Asks pip-audit, where it is installed, about each lock. What could not be asked is said to be NOT
CHECKED, and never to be without findings.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: What is on poles and in control rooms, and what brings it there.
LOCKS = ("node", "desk", "verify", "police", "tpm", "provision")
_PATIENCE_S = 60.0
SILENT = "NOT CHECKED (no answer in time)"


def main() -> int:
    """Say what is known of every lock; always 0."""
    program = shutil.which("pip-audit")
    is_silent = False
    for lock in LOCKS:
        # Who did not answer once is not waited for again: it is information, and CI's time.
        said = SILENT if is_silent else said_of(lock, program)
        is_silent = said == SILENT
        print(f"audit: {lock}: {said}")
    return 0


def said_of(lock: str, program: str | None) -> str:
    """What is known of a lock, or that it was not asked and why."""
    if program is None:
        return "NOT CHECKED (pip-audit is not installed)"
    command = [program, "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    try:
        done = subprocess.run(
            [*command, "--format=json", "--requirement", str(HERE / f"{lock}.txt")],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        answer = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return SILENT
    except (OSError, ValueError, KeyError) as error:
        return f"NOT CHECKED ({type(error).__name__})"
    return told(answer)


def told(packages: list[dict[str, Any]]) -> str:
    """What pip-audit's answer says; a package that it passed over was not checked."""
    asked = [package for package in packages if "skip_reason" not in package]
    advisories = [
        f"{package['name']} {package['version']}: {found['id']}"
        for package in asked
        for found in package["vulns"]
    ]
    if not asked:
        return "NOT CHECKED (the index has no advisories to ask)"
    passed_over = len(packages) - len(asked)
    known = "; ".join(advisories) or "nothing known"
    return f"{known} of {len(asked)} packages" + (
        f", {passed_over} NOT CHECKED" if passed_over else ""
    )


if __name__ == "__main__":
    sys.exit(main())
