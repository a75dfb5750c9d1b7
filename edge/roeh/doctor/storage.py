"""Where the node keeps its store and its sockets."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import Role
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good

_MIB = 1 << 20
# A unix socket's address holds 108 bytes with the NUL at its end (unix(7)).
_MAX_SOCKET_PATH_BYTES = 107
#: Beside the outbox: the database's log, retained alerts, and room to breathe.
_SPARE_BYTES = 256 * _MIB

_VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs"})
# SQLite's write-ahead log needs shared memory between processes, which these do not have.
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "fuse.sshfs"})
_NO_JOURNAL = frozenset({"vfat", "msdos", "exfat", "ext2"})
_OCTAL = re.compile(r"\\([0-7]{3})")


def check_data_dir(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Writable, roomy, and on a file system that keeps what it was given."""
    data_dir = Path(config.paths.data_dir)
    written = _writable("paths.data_dir", data_dir)
    yield written
    if written.verdict == "FAIL":
        return
    place = nearest_existing(data_dir)
    yield _free_space(place, config.outbox.max_bytes)
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    yield judge_file_system(file_system_at(place.resolve(), mounts))


def check_run_dir(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Writable, and short enough for the sockets in it."""
    for socket_path in (evidence_socket(config), frames_socket(config)):
        length = len(os.fsencode(socket_path))
        if length > _MAX_SOCKET_PATH_BYTES:
            yield bad(
                Code.SOCKET_PATH,
                f"{socket_path} is {length} bytes long, and a socket's path has "
                f"{_MAX_SOCKET_PATH_BYTES} at most",
                "set paths.run_dir to a shorter path",
            )
            return
    yield _writable("paths.run_dir", Path(config.paths.run_dir))


def check_users(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """The system users that the processes are to have."""
    named = {role.value: getattr(config.users, role.value) for role in Role}
    missing = [f"{role} = {name!r}" for role, name in named.items() if name and not _known(name)]
    if missing:
        yield bad(
            Code.USER_MISSING,
            f"no such user: [users] {', '.join(missing)}",
            "create them or correct the names",
        )
    elif any(named.values()):
        yield good("every user in [users] exists")
    else:
        yield good("all processes run as the user who starts them")


def nearest_existing(path: Path) -> Path:
    """The path itself or the first of its parents that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def file_system_at(path: Path, mountinfo: str) -> str:
    """The kind of file system a path lies on.

    Args:
        path: absolute, without symbolic links.
        mountinfo: the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    """
    found, depth = "unknown", -1
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount_point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # A later line covers an earlier one at the same place.
        if path.is_relative_to(mount_point) and len(mount_point.parts) >= depth:
            found, depth = after.split(" ", 1)[0], len(mount_point.parts)
    return found


def judge_file_system(kind: str) -> Outcome:
    """Whether an alert that was acknowledged is still there after a power cut."""
    if kind in _REMOTE:
        return bad(
            Code.DISK_REMOTE,
            f"the store lies on {kind}, where SQLite cannot share its log safely",
            "set paths.data_dir to a local disk",
        )
    if kind in _VOLATILE:
        return doubtful(
            Code.DISK_VOLATILE,
            f"the store lies on {kind}: alerts are lost when the machine stops",
            "set paths.data_dir to a disk",
        )
    if kind in _NO_JOURNAL:
        return doubtful(
            Code.DISK_NO_JOURNAL,
            f"the store lies on {kind}, which a power cut can damage",
            "use a file system with a journal, such as ext4",
        )
    return good(f"the store lies on {kind}")


def _writable(field: str, directory: Path) -> Outcome:
    place = nearest_existing(directory)
    remedy = f"make it, owned by the node's user, or correct {field}"
    if not place.is_dir():
        return bad(
            Code.DIR_UNWRITABLE, f"{place} is not a directory ({field} = {directory})", remedy
        )
    if place != directory:
        if not os.access(place, os.W_OK | os.X_OK):
            return bad(
                Code.DIR_UNWRITABLE,
                f"{directory} is not there and {place} cannot be written",
                remedy,
            )
        return good(f"{directory} will be made in {place}")
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-") as probe:
            probe.write(b"roeh")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return bad(Code.DIR_UNWRITABLE, f"{directory} cannot be written ({error.strerror})", remedy)
    return good(f"{directory} can be written")


def _free_space(place: Path, outbox_max_bytes: int) -> Outcome:
    free_bytes = shutil.disk_usage(place).free
    what = f"{free_bytes // _MIB} MiB free at {place}"
    remedy = "free some room, use a larger disk, or lower outbox.max_bytes"
    if free_bytes < outbox_max_bytes:
        bound = f"the outbox alone may take {outbox_max_bytes // _MIB} MiB"
        return bad(Code.DISK_FULL, f"{what}, and {bound}", remedy)
    if free_bytes < outbox_max_bytes + _SPARE_BYTES:
        return doubtful(Code.DISK_TIGHT, f"{what}: little more than a full outbox takes", remedy)
    return good(what)


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
