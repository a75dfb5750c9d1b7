"""What is installed: locks without addresses, extras that the locks fill, a whole wheel."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from roeh.vision.manifest import Manifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[3]
REQUIREMENTS = REPOSITORY / "requirements"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCKS = sorted(path.name for path in REQUIREMENTS.glob("*.txt") if "==" in path.read_text())
ADDRESS = re.compile(r"[a-z]+://|--(extra-)?index-url|--find-links|--trusted-host| @ ")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<marker> ;[^\\]*)?", re.MULTILINE)


def pins(name):
    """(name, version, marker) of every pin in a lock."""
    text = (REQUIREMENTS / name).read_text()
    return {
        (pin["name"].lower(), pin["version"], (pin["marker"] or "").strip())
        for pin in PIN.finditer(text)
    }


def locked_names(role):
    path = REQUIREMENTS / f"{role}.txt"
    referred = re.findall(r"^-r (\S+)\.txt$", path.read_text(), re.MULTILINE)
    names = {name for name, _, _ in pins(path.name)}
    return names.union(*(locked_names(other) for other in referred))


@pytest.mark.parametrize("name", sorted(path.name for path in REQUIREMENTS.glob("*.txt")))
def test_no_lock_names_a_registry(name):
    assert not ADDRESS.search((REQUIREMENTS / name).read_text())


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(name):
    entries = re.split(r"^(?=[A-Za-z0-9])", (REQUIREMENTS / name).read_text(), flags=re.MULTILINE)
    pinned = [entry for entry in entries if "==" in entry.split("\n", 1)[0]]
    assert pinned
    for entry in pinned:
        assert "--hash=sha256:" in entry, entry.split("\n", 1)[0]


@pytest.mark.parametrize("extra", ["node", "pi", "jetson", "police", "desk", "verify", "dev"])
def test_every_role_has_an_extra_and_a_lock_that_fills_it(extra):
    names = {
        re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()
        for requirement in PROJECT["optional-dependencies"][extra] + PROJECT["dependencies"]
    }
    assert names - {"roeh"} <= locked_names(extra)


def test_the_developers_environment_holds_the_demos_version_by_version():
    assert pins("demo.txt") <= pins("dev.txt")


def test_a_pole_runs_what_was_tested():
    assert {pin for pin in pins("node.txt") if pin[0] != "systemd-python"} <= pins("dev.txt")
    assert pins("systemd.txt") <= pins("node.txt")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The product's wheel, built without a network."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = directory.glob("roeh-*.whl")
    return built


def test_the_wheel_holds_the_package_its_types_and_its_licences(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"roeh/__init__.py", "roeh/py.typed", "roeh/core/types.py"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert any(name.endswith(".dist-info/licenses/THIRD-PARTY.md") for name in names)
    assert not any("tests" in name or "convert" in name or name.endswith(".pyc") for name in names)


def test_an_installed_wheel_finds_its_models(wheel, tmp_path):
    """As a pole has it: away from the checkout, below the environment's prefix."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-warn-script-location", "--ignore-installed", "--prefix", str(tmp_path)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (package,) = tmp_path.rglob("roeh/__init__.py")
    program = (
        "import sys; sys.prefix = sys.argv[1]; sys.path.insert(0, sys.argv[2]);"
        "import roeh.vision.manifest as manifest;"
        "place = manifest.find_models_dir(environ={});"
        "print(manifest.__file__, place, *(check.state for check in manifest.check_models(place)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(package.parents[1])]
    result = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True, env={}
    )
    module, place, *states = result.stdout.split()
    assert Path(module).is_relative_to(tmp_path)
    assert Path(place) == tmp_path / "share" / "roeh" / "models"
    text = (REPOSITORY / "models" / "manifest.json").read_bytes()
    manifest = msgspec.json.decode(text, type=Manifest)
    assert states == ["ok" for _ in manifest.entries()]


def test_what_tests_ask_of_debian_is_in_its_list():
    listed = re.findall(r"^[a-z][\w.+-]*", (REQUIREMENTS / "debian.txt").read_text(), re.MULTILINE)
    asked = set()
    for test in (REPOSITORY / "edge" / "tests").rglob("*.py"):
        text = test.read_text()
        for call in re.findall(r"(?:require_packages|PACKAGES = )\(([^)]*)\)", text):
            asked.update(re.findall(r'"([a-z][\w.+-]*)"', call))
    assert asked
    assert asked <= set(listed)
