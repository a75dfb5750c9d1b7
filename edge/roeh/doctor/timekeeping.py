"""Where the time is from, and whether it is kept while the pole has no power.

Sources: chronyc(1) "tracking" and its -c form; timedatectl(1); the kernel's
Documentation/ABI/testing/rtc-cdev; the Raspberry Pi 5's driver rtc-rpi for its battery.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import EvidenceStatus, EvidenceStatusRequest, RecordsPage, RecordsRequest
from roeh.core.errors import RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import Role, Verb
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of
from roeh.ledger.records import ClockStepRecord, Record

#: Beyond, an alert's time is off by more than a picture at five a second.
_COARSE_S = 0.2
_RTC_OFF_S = 5.0
#: A coin cell of lithium manganese, as the Pi 5's, below its cut-off.
_BATTERY_LOW_UV = 2_000_000
_MILLI = 1000.0
_LOOKED_BACK_RECORDS = 20_000
_A_DAY_US = 86_400_000_000
_JUMP_US = 1_000_000
_TRACKING_FIELDS = 14


class Tracking(msgspec.Struct, frozen=True):
    """What chronyd says of the time it keeps (chronyc -c tracking).

    Attributes:
        source: name or address; empty without one.
        is_local: a clock of this machine's own, with nobody behind it.
        offset_s: of the system's clock, estimated.
        bound_s: half the root delay and the root dispersion: what it can be off by.
    """

    source: str
    is_local: bool
    stratum: int
    offset_s: float
    bound_s: float
    is_synchronised: bool


def check_time_source(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """Who keeps the time, and from whom."""
    answer = view.tool("chronyc", "-c", "-n", "tracking")
    tracking = read_tracking(answer.out) if answer is not None and answer.status == 0 else None
    if tracking is not None:
        yield judge_tracking(tracking)
        return
    shown = view.tool("timedatectl", "show-timesync") if view.has_systemd else None
    words = dict(line.partition("=")[::2] for line in shown.out.splitlines()) if shown else {}
    if words.get("ServerName"):
        yield good(f"systemd-timesyncd asks {words['ServerName']}")
    else:
        yield good("no chronyd answers here: what the kernel says of its clock is all there is")


def read_tracking(line: str) -> Tracking | None:
    """The line of `chronyc -c tracking`; None where it is none."""
    fields = line.strip().split(",")
    if len(fields) < _TRACKING_FIELDS:
        return None
    try:
        stratum, offset_s = int(fields[2]), float(fields[4])
        bound_s = float(fields[10]) / 2 + float(fields[11])
    except ValueError:
        return None
    return Tracking(
        source=fields[1],
        is_local=fields[0] == "7F7F0101",
        stratum=stratum,
        offset_s=offset_s,
        bound_s=abs(offset_s) + bound_s,
        is_synchronised=fields[13] != "Not synchronised",
    )


def judge_tracking(tracking: Tracking) -> Outcome:
    """Whether alerts can be placed by it."""
    if not tracking.is_synchronised or tracking.is_local:
        return doubtful(Code.CLOCK_FREE, "chronyd has no source that it believes")
    what = f"from {tracking.source}, stratum {tracking.stratum}"
    bound = f"at most {tracking.bound_s * _MILLI:.1f} ms off"
    if tracking.bound_s > _COARSE_S:
        return doubtful(Code.CLOCK_COARSE, f"{what}, {bound}")
    return good(f"{what}, {bound}")


def check_battery_clock(view: MachineView, clock: Clock) -> Iterator[Outcome]:
    """A clock that goes on without power: is there one, does it agree, is its battery full."""
    if _is_container(view):
        yield good("a container has its host's clock")
        return
    rtc = view.sys / "class/rtc/rtc0"
    if not rtc.exists():
        yield doubtful(Code.RTC_MISSING, "no battery-backed clock: no rtc0")
        return
    name = text_of(rtc / "name") or "rtc0"
    yield _agreement(name, number_of(rtc / "since_epoch"), clock)
    for holder in (rtc, rtc / "device"):
        battery_uv = number_of(holder / "battery_voltage")
        if battery_uv is None:
            continue
        what = f"the battery of {name} has {battery_uv / 1e6:.2f} V"
        yield doubtful(Code.RTC_BATTERY, what) if battery_uv < _BATTERY_LOW_UV else good(what)
        return


def check_jumps(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Jumps of a clock that was synchronised, as the node put them on record in the last day."""
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock, timeout_s=2.0)
    try:
        status = client.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus)
        request = RecordsRequest(
            after=max(-1, status.ledger_size - _LOOKED_BACK_RECORDS), kinds=("clock_step",)
        )
        page = client.call(Verb.RECORDS_PAGE, request, RecordsPage)
    except RoehError:
        yield good("no node runs: nobody tells of jumps")
        return
    finally:
        client.close()
    since_us = clock.read().t_utc_ns // NS_PER_US - _A_DAY_US
    jumps = [record for record in _steps(page) if record.t_utc_us >= since_us]
    yield judge_jumps(jumps)


def judge_jumps(records: list[Record]) -> Outcome:
    """The first setting after a start is right; a jump of a clock that was good is not."""
    steps = [record.body for record in records if isinstance(record.body, ClockStepRecord)]
    jumps = [s for s in steps if s.synchronised_before and abs(s.by_us) >= _JUMP_US]
    if not jumps:
        return good("no jumps in the last day")
    largest = max(jumps, key=lambda step: abs(step.by_us))
    return doubtful(
        Code.CLOCK_JUMPED,
        f"{len(jumps)} jumps in the last day, the largest of {largest.by_us / 1e6:+.1f} s",
    )


def _steps(page: RecordsPage) -> Iterator[Record]:
    for raw in page.records:
        try:
            yield msgspec.json.decode(raw, type=Record)
        except msgspec.MsgspecError:
            continue


def _agreement(name: str, since_epoch_s: int | None, clock: Clock) -> Outcome:
    now = clock.read()
    if since_epoch_s is None:
        return doubtful(Code.RTC_WRONG, f"{name} tells no time")
    off_s = since_epoch_s - now.t_utc_ns / NS_PER_S
    told = datetime.datetime.fromtimestamp(since_epoch_s, datetime.timezone.utc)
    what = f"{name} tells {told:%Y-%m-%d %H:%M:%S} UTC, {off_s:+.0f} s from the system"
    if abs(off_s) > _RTC_OFF_S:
        return doubtful(Code.RTC_WRONG, what)
    return good(what)


def _is_container(view: MachineView) -> bool:
    return (view.root / "run/systemd/container").exists()
