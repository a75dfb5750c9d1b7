"""The first `roeh release install` on a machine that has no roeh yet.

Needs the standard library alone. It unpacks from the bundle beside it what `roeh release` imports,
and has that do the work, so that there is one installer. Run it once the bundle was checked
(edge/docs/releases.md): python3 bootstrap.py install BUNDLE
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent
#: Where programs may be run from; /tmp may be mounted so that none can.
PLACE = Path("/opt/roeh")
#: What the command imports.
NEEDED = ("cffi", "cryptography", "msgspec", "pycparser", "typing_extensions")


def main() -> int:
    """Run `roeh release` with our arguments; its exit status."""
    place = Path(sys.argv[sys.argv.index("--opt") + 1]) if "--opt" in sys.argv else PLACE
    place.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=".bootstrap-", dir=place)
    try:
        unpack(Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "roeh", "release", *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        shutil.rmtree(folder)


def unpack(folder: Path) -> None:
    """Unpack roeh's own wheel and those it needs: a wheel is a zip archive."""
    (release,) = BUNDLE.glob("roeh-*.tar")
    with tarfile.open(release) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if member.name.endswith(".whl") and content is not None:
                with zipfile.ZipFile(io.BytesIO(content.read())) as wheel:
                    wheel.extractall(folder)  # noqa: S202 - checked before
    for path in sorted((BUNDLE / "wheels").glob("*.whl")):
        if path.name.split("-")[0].lower() in NEEDED:
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(folder)  # noqa: S202 - checked before


if __name__ == "__main__":
    sys.exit(main())
