"""Other programs, run with their status looked at."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from virtual_pole.troubles import PoleFailed

#: The end of what a program said is where it says why it ended.
_SAID_CHARACTERS = 1500


def output(
    command: Sequence[str],
    *,
    patience_s: float = 60.0,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run a program; what it said on standard output.

    Args:
        command: program and arguments.
        patience_s: how long it may take.
        given: standard input; None: nothing.
        environment: all of it; None: this process's.
        directory: where it runs; None: here.

    Raises:
        PoleFailed: it is not there, ended with another status than 0, or not in time.
    """
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=patience_s,
            check=False,
            env=None if environment is None else dict(environment),
            cwd=directory,
        )
    except subprocess.TimeoutExpired:
        raise PoleFailed(f"not within {patience_s:g} s: {' '.join(command)}") from None
    except FileNotFoundError:
        raise PoleFailed(f"not installed: {command[0]} (`make setup-hil` installs it)") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
        raise PoleFailed(
            f"status {done.returncode}: {' '.join(command)}: {said[-_SAID_CHARACTERS:]}"
        )
    return done.stdout.decode(errors="replace")


def together(*parts: Callable[[], None]) -> None:
    """All at once; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(part) for part in parts]:
            done.result()


def packed(directory: Path, names: Sequence[str]) -> bytes:
    """Files and folders of a directory as a tar archive.

    Args:
        directory: where they are.
        names: below it.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in names:
            tar.add(directory / name, name)
    return archive.getvalue()
