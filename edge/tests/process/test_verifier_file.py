"""The verifier as one file: it runs where nothing is installed but Python, and says the same."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from roeh.bundle import layout
from roeh.bundle.encryption import new_identity
from tests.apt import require_packages
from tests.bundles import ExportedStore, encrypted, zipped
from tests.time_stamping import TimeStamper

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.apt("openssl")


@pytest.fixture(scope="module")
def verifier(tmp_path_factory):
    """Built as `make verifier` builds it, from the hashed lock."""
    build = tmp_path_factory.mktemp("build")
    script = ROOT / "requirements" / "verifier.py"
    subprocess.run([sys.executable, script, build], check=True, capture_output=True)
    return build / "roeh-verify.pyz"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What an expert gets: the encrypted bundle, a key, and what they believe."""
    require_packages("openssl")
    directory = tmp_path_factory.mktemp("given")
    stamper = TimeStamper(directory / "tsa")
    store = ExportedStore(directory / "store", stamper=stamper)
    identity = new_identity()
    (directory / "age.key").write_text(f"{identity.secret}\n")
    (directory / "root.pem").write_bytes(store.city.root_pem)
    (directory / "tsa.pem").write_bytes(stamper.root_file.read_bytes())
    (directory / "witness.key").write_text(f"{store.witness.verifier_key}\n")
    (directory / "export.zip.age").write_bytes(encrypted(zipped(store.bag()), identity.recipient))
    return directory


def run(verifier, directory, *arguments):
    """The Python below the environment, without one: no packages, no variables, no home."""
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    options = "--identity age.key --trust root.pem --witness witness.key --tsa tsa.pem"
    alone = ["env", "-i", f"SHIV_ROOT={verifier.parent}/shiv", python, "-I", verifier]
    return subprocess.run(
        [*alone, *arguments, *options.split()],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_ok_where_nothing_is_installed(verifier, given):
    done = run(verifier, given, "export.zip.age")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bytes intact    OK" in done.stdout
    assert "custody         OK" in done.stdout
    assert "approved by Noa Bar (200), Police" in done.stdout


def test_it_finds_and_places_what_was_changed(verifier, given):
    content = bytearray((given / "export.zip.age").read_bytes())
    content[-100] ^= 1
    (given / "changed.zip.age").write_bytes(content)
    done = run(verifier, given, "changed.zip.age", "--json")
    report = json.loads(done.stdout)
    assert [finding["what"] for finding in report["findings"]] == ["age_not_authentic"]
    assert done.returncode == report["exit_status"] == 64 | 32 | 1


def test_an_error_is_one_line(verifier, given):
    done = run(verifier, given, "nothing.zip")
    assert done.returncode == 29
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_only_what_verifying_needs_is_in_it(verifier):
    with zipfile.ZipFile(verifier) as file:
        names = {name.removeprefix("site-packages/") for name in file.namelist()}
    packages = {
        name.partition("/")[0] for name in names if "/" in name and ".dist-info" not in name
    }
    allowed = {"roeh", "cryptography", "msgspec", "pyrage", "rfc3161_client", "cffi", "pycparser"}
    assert packages - {"_bootstrap", "tomli"} <= allowed
    ours = {name.split("/")[1] for name in names if name.startswith("roeh/")}
    assert ours <= {
        *("__init__.py", "LICENSE", "THIRD-PARTY.md", "access", "bitstream", "bundle"),
        *("core", "keys", "ledger", "verify"),
    }
    assert layout.__name__.replace(".", "/") + ".py" in names
