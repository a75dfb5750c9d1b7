"""The disk under the evidence: encrypted, writable, without errors, and how worn it is.

Sources: the kernel's ABI/testing/sysfs-block-dm, sysfs-fs-ext4; proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.machine_view import MachineView, disk_at, number_of, text_of
from roeh.doctor.nvme import NvmeHealth, ask_health, read_health
from roeh.doctor.storage import nearest_existing

_WORN_PERCENT, _WORN_OUT_PERCENT = 80, 100
_MAX_DEPTH = 4
_CONTROLLER = re.compile(r"(nvme\d+)(?:c\d+)?n\d+")
_WHERE = re.compile(r"^Where=(/\S+)$", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")

PageReader = Callable[[Path], bytes | None]


class Mount(msgspec.Struct, frozen=True):
    """Where a directory's file system is mounted."""

    point: Path
    options: frozenset[str]
    device: str


def check_disk(
    config: NodeConfig, view: MachineView, _clock: Clock, page_of: PageReader = ask_health
) -> Iterator[Outcome]:
    """All that can be told without writing a byte."""
    data_dir = Path(config.paths.data_dir)
    place = nearest_existing(data_dir).resolve()
    yield from _mounting(data_dir, place, view)
    disk = disk_at(place, view)
    if disk is None:
        yield good(f"{place} lies on no disk that the kernel names")
        return
    layers = list(_layers(disk, _MAX_DEPTH))
    yield _encryption(layers, view)
    errors = [error for layer in layers for error in _errors(layer, view)]
    for error in errors:
        yield doubtful(Code.DISK_ERRORS, error)
    if not errors:
        yield good(f"no errors counted on {layers[-1].name}")
    match = _CONTROLLER.match(layers[-1].name)
    if match:
        page = page_of(view.root / "dev" / match[1])
        health = read_health(page) if page is not None else None
        if health is not None:
            yield from judge_nvme(match[1], health)
        else:
            yield good(f"{match[1]} tells its wear to root alone")


def judge_nvme(name: str, health: NvmeHealth) -> Iterator[Outcome]:
    """A disk's own word on its health."""
    what = f"{name} has used {health.used_percent} % of its life"
    spare = f"{health.spare_percent} % of its spare is left"
    if health.is_read_only:
        yield bad(Code.DISK_READ_ONLY, f"{name} has made itself read-only")
    if health.media_errors:
        yield doubtful(
            Code.DISK_ERRORS, f"{name} counted {health.media_errors} errors of its media"
        )
    if health.used_percent >= _WORN_OUT_PERCENT or (
        health.spare_percent <= health.spare_threshold_percent
    ):
        yield bad(Code.DISK_WORN_OUT, f"{what}, {spare}")
    elif health.used_percent >= _WORN_PERCENT:
        yield doubtful(Code.DISK_WORN, f"{what}, {spare}")
    else:
        yield good(f"{what}, {spare}; {health.temperature_c} °C")


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """The mount that a path without symbolic links lies in; the last line covers earlier ones."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, behind = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(behind) < 3:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        is_nearer = found is None or len(point.parts) >= len(found.point.parts)
        if path.is_relative_to(point) and is_nearer:
            # The mount's own options, and those of the file system under it.
            options = frozenset(fields[5].split(",")) | {
                option for option in behind[2].split(",") if option == "ro"
            }
            found = Mount(point, options, behind[1])
    return found


def _mounting(data_dir: Path, place: Path, view: MachineView) -> Iterator[Outcome]:
    mount = mount_of(place, text_of(view.proc / "self/mountinfo"))
    if mount is not None and "ro" in mount.options:
        yield bad(Code.DISK_READ_ONLY, f"{mount.point} ({mount.device}) is mounted read-only")
    for wanted in _wanted_mounts(view):
        if data_dir.is_relative_to(wanted) and mount is not None and mount.point != wanted:
            yield bad(Code.DISK_MISSING, f"{wanted} is to be mounted and is not")


def _wanted_mounts(view: MachineView) -> Iterator[Path]:
    """What fstab and mount units of the administrator's put into places of their own."""
    for unit in sorted((view.root / "etc/systemd/system").glob("*.mount")):
        match = _WHERE.search(text_of(unit))
        if match:
            yield Path(match[1])
    for line in text_of(view.root / "etc/fstab").splitlines():
        fields = line.split()
        if len(fields) > 1 and not line.startswith("#") and fields[1].startswith("/"):
            point = Path(fields[1])
            if point != Path("/"):
                yield point


def _encryption(layers: list[Path], view: MachineView) -> Outcome:
    for layer in layers:
        uuid = text_of(layer / "dm/uuid")
        if uuid.startswith("CRYPT-LUKS"):
            kind = uuid.removeprefix("CRYPT-").partition("-")[0]
            return good(f"encrypted ({kind}, {text_of(layer / 'dm/name') or layer.name}), and open")
    if (view.root / "run/systemd/container").exists():
        return good(f"{layers[-1].name}: whether it is encrypted, a container cannot see")
    return doubtful(Code.DISK_PLAIN, f"evidence lies in the clear on {layers[0].name}")


def _layers(device: Path, depth: int) -> Iterator[Path]:
    """A device and those that it lies on, the whole disk last."""
    yield device
    slaves = sorted((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
    if slaves and depth:
        yield from _layers(slaves[0].resolve(), depth - 1)
    elif (device / "partition").exists():
        yield device.parent


def _errors(layer: Path, view: MachineView) -> Iterator[str]:
    count = number_of(view.sys / "fs/ext4" / layer.name / "errors_count")
    if count:
        yield f"ext4 on {layer.name} counted {count} errors"
    failed = text_of(layer / "device/ioerr_cnt")
    try:
        number = int(failed, 16)
    except ValueError:
        return
    if number:
        yield f"{layer.name} counted {number} failed commands"
