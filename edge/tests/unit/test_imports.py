"""What imports what: the contracts of pyproject.toml, and what a process really loads."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

#: What a line of a lock pins.
PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
#: Not of any lock: we ourselves, and what an environment is made with.
OUR_OWN = {"roeh", "pip", "pkg_resources", "_distutils_hack"}
REPOSITORY = Path(__file__).parents[3]
CODECS_AND_ARRAYS = {"av", "cv2", "numpy", "scipy", "picamera2"}
RUNTIMES = {"ai_edge_litert", "tflite_runtime", "tensorflow"}


def loaded_by(module):
    """The top-level modules in memory after importing one of ours, in a fresh Python."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(result.stdout.split())


def test_imports_go_down_only():
    # In a process of its own: it silences every log of the one it runs in.
    program = "import sys, importlinter.cli as cli; sys.exit(cli.lint_imports(no_cache=True))"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def locked(role):
    """The top-level modules of what a role's lock installs, of all that is installed here."""
    lock = (REPOSITORY / "requirements" / f"{role}.txt").read_text(encoding="utf-8")
    names = {name.lower().replace("_", "-") for name in PIN.findall(lock)}
    return {
        module
        for module, homes in packages_distributions().items()
        if any(home.lower().replace("_", "-") in names for home in homes)
    }


@pytest.mark.parametrize(
    "process",
    ["capture", "detect", "evidence", "publish", "retrieve", "render", "supervise", "demo"],
)
def test_a_process_of_the_demo_starts_with_what_the_demos_lock_installs(process):
    away = sorted(set(packages_distributions()) - locked("demo") - OUR_OWN)
    program = f"import sys; sys.modules.update(dict.fromkeys({away})); import roeh.{process}.main"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert "gpiod" in away
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("process", ["evidence", "publish", "retrieve", "supervise"])
def test_a_process_without_pictures_loads_no_codec_and_no_arrays(process):
    assert loaded_by(f"roeh.{process}.main") & (CODECS_AND_ARRAYS | RUNTIMES) == set()


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("roeh.cli", CODECS_AND_ARRAYS | RUNTIMES | {"aiohttp", "paho"}),
        ("roeh.capture.main", RUNTIMES | {"aiohttp", "paho", "sqlite3"}),
        ("roeh.detect.main", {"aiohttp", "paho", "sqlite3"}),
        ("roeh.evidence.main", {"aiohttp", "paho", "ssl"}),
        ("roeh.publish.main", {"aiohttp", "sqlite3"}),
        ("roeh.retrieve.main", {"paho", "sqlite3"}),
        ("roeh.core.types", {"ctypes", "socket", "asyncio", "logging"}),
    ],
)
def test_a_process_loads_only_what_is_its_own(module, strangers):
    assert loaded_by(module) & strangers == set()
