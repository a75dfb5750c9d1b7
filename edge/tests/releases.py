"""Releases and bundles small enough to be made in a test: roeh's wheel is a handful of lines."""

import functools
import hashlib
import importlib.util
import io
import platform
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from roeh.core.clock import SimulatedClock
from roeh.release.archive import release_file, write_release
from roeh.release.bundle import finish_bundle
from roeh.release.carried import BundleDescription, MachineRole
from roeh.release.manifest import ReleaseManifest
from roeh.release.places import Places
from roeh.release.sealing import RELEASE_CA_FILE, trial_seal

THIS_MACHINE = platform.machine()
CLOCK = SimulatedClock()
CHECK_BUNDLE = Path(__file__).parents[2] / "deploy/ansible/roles/release/files/check_bundle.sh"


class Maker:
    """Who makes releases, with a key for trials."""

    def __init__(self, root, clock=CLOCK):
        self.root, self.clock = root, clock
        self.seal = trial_seal(root / "trial", clock)
        self.believed = root / "trial" / RELEASE_CA_FILE

    def release(self, version, *, commit="none", broken=False, **manifest):
        """A release; a broken one cannot be imported."""
        wheel = stub_wheel(self.root, "roeh", version, _modules(version, broken=broken))
        contents = {wheel.name: wheel.read_bytes()}
        about = ReleaseManifest(
            format="roeh-release-1",
            version=version,
            store_schema=2,
            desk_schema=1,
            minimal_python="3.10",
            commit=commit,
            made_utc_s=1_700_000_000,
            files=tuple(release_file(name, content) for name, content in contents.items()),
        )
        path = self.root / f"roeh-{version}.tar"
        write_release(path, about, contents, self.seal, self.clock)
        return path

    def bundle(self, version, *, architecture=THIS_MACHINE, **release):
        """A bundle for this machine and the Python that runs here."""
        made = self.root / f"bundle-{version}"
        for folder in ("wheels", "locks", "debs"):
            (made / folder).mkdir(parents=True)
        path = self.release(version, **release)
        path.rename(made / path.name)
        stub = stub_wheel(made / "wheels", "psycopg", "3.0", {"psycopg/__init__.py": ""})
        sha256 = hashlib.sha256(stub.read_bytes()).hexdigest()
        for role in MachineRole:
            (made / f"locks/{role.value}.txt").write_text(f"psycopg==3.0 --hash=sha256:{sha256}\n")
        pip_wheel(made / "wheels")
        about = BundleDescription(
            format="roeh-bundle-1",
            version=version,
            suite="bookworm",
            architecture=architecture,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        )
        finish_bundle(made, about, self.seal, self.clock)
        return made

    def machine(self, name="machine"):
        """Places of a machine that believes this maker."""
        root = self.root / name
        places = Places(opt=root / "opt", etc=root / "etc", command=root / "bin/roeh")
        places.etc.mkdir(parents=True)
        (places.etc / RELEASE_CA_FILE).write_bytes(self.believed.read_bytes())
        return places


def stub_wheel(directory, name, version, modules):
    """A wheel of these files."""
    info = f"{name}-{version}.dist-info"
    files = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            wheel.writestr(zipfile.ZipInfo(member), content)
    return path


def pip_wheel(directory):
    """The pip that runs here, as the wheel that it came as."""
    (directory / f"pip-{distribution('pip').version}-py3-none-any.whl").write_bytes(_pip_wheel())


@functools.cache
def _pip_wheel():
    """With byte code beside its sources, so that it starts as fast as an installed one."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for file in distribution("pip").files:
            located = Path(file.locate())
            if ".." in file.parts or "__pycache__" in file.parts or not located.is_file():
                continue
            wheel.write(located, file.as_posix())
            if located.suffix == ".py":
                code = importlib.util.cache_from_source(located)
                if Path(code).is_file():
                    # Flags 1: of a hash that nobody compares (PEP 552).
                    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
                    wheel.writestr(f"{file.as_posix()}c", head + Path(code).read_bytes()[16:])
    return content.getvalue()


def _modules(version, *, broken):
    first = "raise ImportError('broken on purpose')\n" if broken else ""
    return {
        "roeh/__init__.py": f'{first}__version__ = "{version}"\n',
        "roeh/__main__.py": f'print("roeh {version}")\n',
        "roeh/cli.py": "",
        "roeh/desk/__init__.py": "",
        "roeh/desk/commands.py": "",
    }
