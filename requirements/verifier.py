"""Makes build/roeh-verify.pyz: the offline verifier as one file (`make verifier`).

What it imports goes in and nothing else: our own modules as they are reached from
roeh.verify.__main__, the libraries from requirements/verify.txt, each against its hash. It runs
on the kind of machine and the Python that it was made with.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "edge"
ENTRY = "roeh.verify.__main__"
#: Of the locked packages those that the verifier imports, and what they need themselves.
WANTED = {
    *("cffi", "cryptography", "msgspec", "pycparser", "pyrage", "rfc3161-client"),
    *("tomli", "typing-extensions"),
}


def main() -> None:
    """Build it where the first argument says, build/ without one."""
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build"
    work = build / "verifier"
    shutil.rmtree(work, ignore_errors=True)
    site = work / "site"
    site.mkdir(parents=True)
    lock = work / "requirements.txt"
    lock.write_text("".join(wanted_requirements()), encoding="utf-8")
    run(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-compile",
        "--target",
        str(site),
        "-r",
        str(lock),
    )
    shutil.rmtree(site / "bin", ignore_errors=True)
    for source in sorted(own_modules()):
        copy = site / source.relative_to(SOURCES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    for name in ("LICENSE", "THIRD-PARTY.md"):
        shutil.copy(ROOT / name, site / "roeh" / name)
    made = build / "roeh-verify.pyz"
    run(
        "-m",
        "shiv",
        "--reproducible",
        "--compressed",
        "--site-packages",
        str(site),
        "--entry-point",
        f"{ENTRY}:main",
        "--python",
        "/usr/bin/env python3",
        "--output-file",
        str(made),
    )
    shutil.rmtree(work)
    print(f"made {made} ({made.stat().st_size / 1e6:.1f} MB) with {sys.version.split()[0]}")


def wanted_requirements() -> Iterator[str]:
    """The lock's entries of the wanted packages, hashes included."""
    text = (ROOT / "requirements" / "verify.txt").read_text(encoding="utf-8")
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        if entry.partition("==")[0] in WANTED:
            yield entry


def own_modules() -> set[Path]:
    """Files of our own package that are imported from the entry on, wherever it is done."""
    found: set[Path] = set()
    waiting = [ENTRY]
    while waiting:
        for path in files_of(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting += imported(path)
    return found


def files_of(module: str) -> list[Path]:
    """Its file and those of the packages above it; none where it is no module of ours."""
    parts = module.split(".")
    files = [SOURCES.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts) + 1)]
    files.append(SOURCES.joinpath(*parts).with_suffix(".py"))
    return [path for path in files if path.is_file()]


def imported(path: Path) -> Iterator[str]:
    """Modules of ours that a file names in an import."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("roeh"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("roeh"):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def run(*arguments: str) -> None:
    """This Python with arguments; what it says is shown, and what fails ends all."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run([sys.executable, *arguments], check=True, env=environment)


if __name__ == "__main__":
    main()
