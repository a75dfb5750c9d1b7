"""The machine itself: Python, libraries, models, time."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import RoehError
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.vision.manifest import check_models, find_models_dir

OLDEST_PYTHON = (3, 10)
_MACHINES = ("x86_64", "aarch64")
_IMPORT_TIMEOUT_S = 60.0
# No pole was ever started before this: 2025-01-01.
_EARLIEST_UTC_S = 1_735_689_600


class Library(msgspec.Struct, frozen=True):
    """A library that the node needs, in any of the distributions that bring it.

    `modules` gives for each distribution the module to import.
    """

    purpose: str
    modules: dict[str, str]
    required: bool = True


LIBRARIES = (
    Library(
        "detection",
        {
            "ai-edge-litert": "ai_edge_litert.interpreter",
            "tflite-runtime": "tflite_runtime.interpreter",
        },
    ),
    Library("pictures", {"opencv-python-headless": "cv2"}),
    Library("video", {"av": "av"}),
    Library("delivery", {"paho-mqtt": "paho.mqtt.client"}),
    Library("the pole's page", {"aiohttp": "aiohttp"}),
    Library("running under systemd", {"systemd-python": "systemd.daemon"}, required=False),
)


def check_python(_clock: Clock) -> Iterator[Outcome]:
    """Version and platform."""
    bits = 64 if sys.maxsize > 2**32 else 32
    what = f"Python {platform.python_version()}, {bits} bit, {sys.platform} {platform.machine()}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        yield bad(Code.PYTHON_OLD, f"{what} is too old", f"install Python {oldest} or newer")
    elif sys.platform != "linux" or bits != 64 or platform.machine() not in _MACHINES:
        yield bad(
            Code.PYTHON_PLATFORM,
            f"{what} is not supported",
            f"use 64-bit Linux on {' or '.join(_MACHINES)}",
        )
    else:
        yield good(what)


def check_sqlite(_clock: Clock) -> Iterator[Outcome]:
    """The store's tables are strict, which SQLite knows from 3.37 on."""
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE probe (seq INTEGER) STRICT")
    except sqlite3.Error as error:
        yield bad(
            Code.SQLITE_OLD,
            f"SQLite {sqlite3.sqlite_version} is too old for the store ({error})",
            "use a Python built with SQLite 3.37 or newer",
        )
    else:
        yield good(f"SQLite {sqlite3.sqlite_version}, for the store")


def check_libraries(_clock: Clock) -> Iterator[Outcome]:
    """Each imported in a process of its own, for a wrong one may end the process."""
    for library in LIBRARIES:
        yield check_library(library)


def check_library(library: Library) -> Outcome:
    """One library: installed, and able to be imported here."""
    reasons = []
    for distribution, module in library.modules.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        reason = _import_failure(module)
        if reason is None:
            return good(f"{distribution} {version}, for {library.purpose}")
        reasons.append(f"{distribution} {version} {reason}")
    wanted = " or ".join(library.modules)
    what = "; ".join(reasons) or f"{wanted} is not installed"
    remedy = f"install roeh with the node extra, which brings {wanted}"
    if library.required:
        return bad(Code.LIBRARY_MISSING, f"{what}: needed for {library.purpose}", remedy)
    return doubtful(Code.LIBRARY_OPTIONAL, f"{what}: needed only for {library.purpose}", remedy)


def check_model_files(_clock: Clock) -> Iterator[Outcome]:
    """Every model that came with the installation, against the manifest."""
    yield from models_in(None)


def models_in(directory: Path | None) -> Iterator[Outcome]:
    """The models of a directory; None is where the installation put them."""
    try:
        found = find_models_dir(directory)
        checks = check_models(found)
    except RoehError as error:
        yield bad_error(Code.MODEL_MISSING, error)
        return
    wrong = [check for check in checks if check.state in {"missing", "changed"}]
    for check in wrong:
        yield bad(
            Code.MODEL_CHANGED,
            f"{found / check.file} is {check.state}",
            "restore it from the release it came with (roeh models)",
        )
    strange = [check.file for check in checks if check.state == "unlisted"]
    if strange:
        yield doubtful(
            Code.MODEL_STRANGE,
            f"not in the manifest of {found}: {', '.join(strange)}; they are never loaded",
            "remove them, or list them after measuring them",
        )
    if not wrong:
        count = sum(check.state == "ok" for check in checks)
        yield good(f"{count} models in {found}, as the manifest says")


def check_clock(clock: Clock) -> Iterator[Outcome]:
    """Whether times in alerts can be believed."""
    now = clock.read()
    if now.t_utc_ns < _EARLIEST_UTC_S * NS_PER_S:
        yield bad(
            Code.CLOCK_UNSET,
            "the clock stands before 2025: it was never set",
            "set it, and give the pole a time server or a battery-backed clock",
        )
    elif not now.synchronised:
        yield doubtful(
            Code.CLOCK_FREE,
            "the clock is not synchronised; alerts say so, and their times may be wrong",
            "install chrony and give it a time server it can reach",
        )
    else:
        yield good(f"synchronised, at most {now.utc_error_ns / 1e6:.1f} ms off")


def _import_failure(module: str) -> str | None:
    """Why a module cannot be imported, in a few words; None when it can."""
    command = [sys.executable, "-c", f"import {module}"]
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not import within {_IMPORT_TIMEOUT_S:.0f} s"
    if result.returncode == 0:
        return None
    if result.returncode < 0:
        return f"crashes when imported ({signal.Signals(-result.returncode).name})"
    last_line = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"cannot be imported ({last_line})"
