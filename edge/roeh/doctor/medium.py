"""The medium under the evidence: what it is, how long it will last, and the video's room.

eMMC states its own wear (JEDEC JESD84-B51, EXT_CSD 267 to 269, shown by Linux under the
device); an SD card states none, so it is not called fit for evidence.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from roeh.core.board import whole_disks
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import EvidenceStatus, EvidenceStatusRequest
from roeh.core.errors import PeerGone, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import Role, Verb
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.storage import nearest_existing

MediumKind = Literal["sd card", "eMMC", "flash disk", "hard disk", "unknown"]

_GIB = 1 << 30
#: Fewer than this and the ring deletes what has only just been recorded.
_MIN_SEGMENTS = 10
_DAY_S = 86_400
_US_PER_S = 1_000_000
_DAYS_A_YEAR = 365.25
#: Figures of less than this are no rate yet.
_MEASURED_FROM_S = 600.0
#: A pole is visited for its medium at most this often.
_MIN_LIFE_YEARS = 2.0
#: Video, and what index and mirror add to it: measured in edge/design/budget.md.
_ASSUMED_WRITE_AMPLIFICATION = 1.1
#: EXT_CSD life time estimates count in steps of a tenth; 0x0B is beyond the estimate.
_EMMC_WARN_TENTHS = 8
_EMMC_PRE_EOL = {1: "normal", 2: "80 % of its reserve used", 3: "90 % of its reserve used"}


class Medium(msgspec.Struct, frozen=True):
    """What the kernel says of the device under a directory.

    `worn_tenths`: of its life used, as an eMMC states it, in steps of a tenth;
    `reserve` its spare blocks; None where it says nothing.
    """

    name: str
    kind: MediumKind
    worn_tenths: int | None = None
    reserve: int | None = None


def check_medium(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Fit for evidence, large enough, and for how long."""
    if not config.evidence.record:
        yield doubtful(
            Code.RECORDING_OFF, "no video is recorded (evidence.record is false)", "set it to true"
        )
        return
    place = nearest_existing(Path(config.paths.data_dir))
    medium = medium_at(place, Path("/sys"))
    yield judge_medium(medium)
    yield judge_room(place, shutil.disk_usage(place).total, config)
    status = _status(config, clock)
    yield judge_life(medium, status, config)


def medium_at(place: Path, sys_dir: Path) -> Medium:
    """The device under `place`, as /sys (or a copy of its layout) tells."""
    number = place.stat().st_dev
    link = sys_dir / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    # What is encrypted lies on a disk that wears as any other.
    device = next(whole_disks(link), None)
    return Medium("", "unknown") if device is None else _medium_of(device)


def judge_medium(medium: Medium) -> Outcome:
    """Whether evidence may lie there."""
    if medium.kind == "sd card":
        return bad(
            Code.DISK_SD,
            f"{medium.name} is an SD card: it says nothing of its wear and not all keep "
            "what they said was written when the power fails",
            "put paths.data_dir on an SSD or an industrial eMMC",
        )
    if medium.kind == "unknown":
        return doubtful(
            Code.DISK_UNKNOWN,
            "the device under paths.data_dir is not known to the kernel's tables",
            "make sure that it is an SSD or an eMMC with power-loss protection",
        )
    if medium.reserve is not None and medium.reserve > 1:
        reserve = _EMMC_PRE_EOL.get(medium.reserve, f"state {medium.reserve}")
        return bad(
            Code.DISK_WORN_OUT, f"{medium.name} ({medium.kind}): {reserve}", "replace it now"
        )
    if medium.worn_tenths is not None:
        what = f"{medium.name} ({medium.kind}) has used {medium.worn_tenths * 10} % of its life"
        if medium.worn_tenths >= _EMMC_WARN_TENTHS:
            return doubtful(Code.DISK_WORN, what, "plan its replacement")
        return good(what)
    return good(f"{medium.name} is a {medium.kind}")


def judge_room(place: Path, total_bytes: int, config: NodeConfig) -> Outcome:
    """Whether the ring can become as large as it is configured."""
    wanted_bytes = config.evidence.max_bytes + config.evidence.min_free_bytes
    what = f"{_size(total_bytes)} at {place}, {_size(wanted_bytes)} for the ring"
    segment_bytes = config.evidence.encode_bps / 8 * config.evidence.segment_s
    held = config.evidence.max_bytes / (segment_bytes * len(config.sensors))
    if held < _MIN_SEGMENTS:
        return doubtful(
            Code.DISK_SEGMENTS,
            f"{what}: that is {held:.1f} segments a camera at evidence.encode_bps",
            "raise evidence.max_bytes, or lower evidence.segment_s or evidence.encode_bps",
        )
    if total_bytes < wanted_bytes:
        return doubtful(
            Code.DISK_SMALL,
            f"{what}: it will keep less than evidence.max_bytes says",
            "use a larger disk or lower evidence.max_bytes",
        )
    return good(what)


def judge_life(medium: Medium, status: EvidenceStatus | None, config: NodeConfig) -> Outcome:
    """How much is written a day, and for how long the medium bears it."""
    bytes_a_day, how = _bytes_a_day(status, config)
    what = f"{bytes_a_day / _GIB:.1f} GiB written a day ({how})"
    endurance_tb = config.evidence.medium_endurance_tb
    if endurance_tb <= 0:
        return doubtful(
            Code.DISK_LIFE_UNKNOWN,
            f"{what}; how much {medium.name or 'the medium'} bears is not known",
            "give evidence.medium_endurance_tb: the TBW of its data sheet",
        )
    years = endurance_tb * 1e12 / (bytes_a_day * _DAYS_A_YEAR)
    verdict = f"{what}: {endurance_tb:.0f} TB last {years:.1f} years"
    if years < _MIN_LIFE_YEARS:
        return doubtful(
            Code.DISK_LIFE_SHORT,
            verdict,
            "use a medium with more endurance, or fewer bits a second",
        )
    return good(verdict)


def _size(size_bytes: float) -> str:
    return f"{size_bytes / _GIB:.0f} GiB" if size_bytes >= _GIB else f"{size_bytes / 2**20:.0f} MiB"


def _medium_of(device: Path) -> Medium:
    name = device.name
    if name.startswith("mmcblk"):
        if _text(device / "device" / "type") == "SD":
            return Medium(name, "sd card")
        worn = [int(word, 16) for word in _text(device / "device" / "life_time").split()]
        reserve = _text(device / "device" / "pre_eol_info")
        return Medium(
            name,
            "eMMC",
            worn_tenths=max(worn) if worn else None,
            reserve=int(reserve, 16) if reserve else None,
        )
    rotational = _text(device / "queue" / "rotational")
    if not rotational:
        return Medium(name, "unknown")
    return Medium(name, "hard disk" if rotational == "1" else "flash disk")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _status(config: NodeConfig, clock: Clock) -> EvidenceStatus | None:
    """What evidence counted; None when it does not run or does not let us ask."""
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock, timeout_s=2.0)
    try:
        return client.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus)
    except (PeerGone, RoehError):
        return None
    finally:
        client.close()


def _bytes_a_day(status: EvidenceStatus | None, config: NodeConfig) -> tuple[float, str]:
    if status is not None and status.age_us > _MEASURED_FROM_S * _US_PER_S:
        written = sum(status.bytes_written.values())
        video = status.bytes_written.get("video", 0)
        a_day = written * _DAY_S * _US_PER_S / status.age_us
        amplified = f", {written / video:.2f} times the video" if video else ""
        return a_day, f"measured over {status.age_us / _US_PER_S / 3600:.1f} h{amplified}"
    video_bps = config.evidence.encode_bps * len(config.sensors)
    a_day = video_bps / 8 * _DAY_S * _ASSUMED_WRITE_AMPLIFICATION
    return a_day, f"expected at {video_bps / 1e6:.1f} Mbit/s, not measured yet"
