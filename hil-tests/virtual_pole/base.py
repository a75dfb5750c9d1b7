"""The Debian that every machine starts from: made once, kept by what it is made of.

A directory under the cache, never written again: machines lie over it (overlayfs). It is made
under another name and renamed when whole, so a run that was killed leaves nothing that counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from qemu_machine.recipe import key_of, package_names

from roeh.core.errors import RoehError
from roeh.release.mirror import debian_sources
from virtual_pole.commands import output
from virtual_pole.troubles import PoleFailed

RELEASE = "bookworm"
#: The person that the image was written with, as a board's first user; no root login.
PERSON = "technician"
PERSON_ID = 1000
_HERE = Path(__file__).parent
_PACKAGES = _HERE / "base_packages.txt"
_BUILD_PATIENCE_S = 900.0
#: Timers that would ask for a network that is not there.
_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "systemd-timesyncd.service")


def cache_directory(environment: os._Environ[str] = os.environ) -> Path:
    """Where bases are kept: `$XDG_CACHE_HOME/roeh/poles`, or `~/.cache/roeh/poles`."""
    home = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "roeh/poles"


def base(cache: Path) -> Path:
    """The base's directory; made first where it is not there.

    Two that ask at once get the same: the second waits for the first.

    Args:
        cache: where bases are kept.

    Raises:
        PoleFailed: no Debian mirror, or mmdebstrap failed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    ready = cache / f"base-{RELEASE}-{key_of((_PACKAGES, Path(__file__)))}"
    if ready.is_dir():
        return ready
    with _only_one(cache / f"{ready.name}.lock"):
        if not ready.is_dir():
            making = cache / f"{ready.name}.making"
            # Left by one that was killed: the lock says that nobody is at it.
            shutil.rmtree(making, ignore_errors=True)
            _make(making)
            making.rename(ready)
    return ready


def _make(root: Path) -> None:
    try:
        sources = debian_sources(RELEASE)
    except RoehError as failure:
        raise PoleFailed(str(failure)) from None
    packages = ",".join(package_names(_PACKAGES))
    output(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={packages}",
            '--aptopt=Acquire::Languages "none"',
            # Unpacking need not be on the disk at each step: what is killed is thrown away.
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            RELEASE,
            str(root),
            "-",
        ],
        given=sources.encode(),
        patience_s=_BUILD_PATIENCE_S,
    )
    _as_a_board(root)


def _as_a_board(root: Path) -> None:
    """What an imager writes: a person who may become root, no keys of its own, no sources."""
    output(
        [
            *("chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash"),
            *("--uid", str(PERSON_ID), "--groups", "sudo", PERSON),
        ]
    )
    # An account without a password that is locked would be refused by sshd with PAM off.
    output(["chroot", str(root), "usermod", "--password", "*", PERSON])
    sudoers = root / "etc/sudoers.d/010_technician"
    sudoers.write_text(f"{PERSON} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    # Nothing is had from a mirror: what is installed later comes with the bundle.
    for listed in ("etc/apt/sources.list", "etc/resolv.conf"):
        (root / listed).unlink(missing_ok=True)
        (root / listed).write_text("")
    shutil.rmtree(root / "etc/apt/sources.list.d", ignore_errors=True)
    (root / "etc/apt/sources.list.d").mkdir()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    # Ansible's cache_valid_time takes a new directory for fresh lists.
    os.utime(root / "var/lib/apt/lists", (0, 0))
    (root / "etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
