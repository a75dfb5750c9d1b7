"""A folder that holds Python and roeh for ARM, unpacked from a bundle's own packages and wheels."""

from __future__ import annotations

import compileall
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

#: Python and what it and the wheels load of the system.
_PACKAGES = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libuuid1"),
    *("libbz2-1.0", "liblzma5", "libsqlite3-0", "libseccomp2", "libcrypt1", "libtinfo6"),
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
)
#: A Raspberry Pi 4's: the runtime of the detector chooses its kernels by it, and falls over the
#: one of this machine, which qemu-user shows unchanged.
_CORES = 4
_CPU = """processor\t: {core}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


def unpacked(bundle: Path, cache: Path) -> Path:
    """The folder of a bundle, made when it is not there; it appears whole or not at all."""
    root = cache / bundle.name
    stamp = root / "SHA256SUMS"
    wanted = (bundle / "SHA256SUMS").read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return root
    shutil.rmtree(root, ignore_errors=True)
    making = cache / f".making-{bundle.name}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name in _PACKAGES:
        for path in bundle.glob(f"debs/{name}_*.deb"):
            subprocess.run(["dpkg-deb", "--extract", str(path), str(making)], check=True)
    site = making / "site"
    pinned = (bundle / "locks/pole.txt").read_text(encoding="utf-8").lower()
    for path in sorted(bundle.glob("wheels/*.whl")):
        name, version, *_ = path.name.split("-")
        if f"{name.replace('_', '-').lower()}=={version}" in pinned:
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(site)  # noqa: S202 - our own bundle
    (release,) = bundle.glob("roeh-*.tar")
    with tarfile.open(release) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if member.name.endswith(".whl") and content is not None:
                with zipfile.ZipFile(io.BytesIO(content.read())) as wheel:
                    wheel.extractall(site)  # noqa: S202 - our own bundle
    (models,) = site.glob("roeh-*.data/data/share/roeh")
    shutil.copytree(models, making / "usr/share/roeh")
    if sys.version_info[:2] == (3, 11):
        # The same byte code on every processor; under qemu to compile takes far longer.
        compileall.compile_dir(site, quiet=2)
    (making / "proc").mkdir()
    cores = "".join(_CPU.format(core=core) for core in range(_CORES))
    (making / "proc/cpuinfo").write_text(cores, encoding="ascii")
    (making / "SHA256SUMS").write_bytes(wanted)
    making.rename(root)
    return root
