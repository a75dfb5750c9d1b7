"""The evidence of a node: its keys, its masks, and what a running node says of recording."""

from __future__ import annotations

from collections.abc import Iterator

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import FileSource, NodeConfig, RtspSource, SourceSection, V4l2Source
from roeh.core.errors import RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, keys_dir
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.keys.home_file import FileHome
from roeh.keys.open import key_home, key_sets, node_name
from roeh.keys.pole import KeyState, Pole
from roeh.keys.tls_files import tls_copies

_US_PER_DAY = 86_400_000_000
#: From when on a certificate's end is told.
_SOON_DAYS = 60


def check_keys(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """The keys are there, safe, vouched for, and not near their end."""
    if config.keys.home == "file" and not keys_dir(config).exists():
        yield doubtful(
            Code.KEYS_NONE,
            "no keys yet: the first start makes UNPROVISIONED ones, which no court need believe",
            "begin the ceremony with roeh keys request (edge/docs/keys.md)",
        )
        return
    try:
        states = key_states(config)
    except RoehError as error:
        yield bad_error(Code.KEYS_REFUSED, error)
        return
    yield from judge_keys(states, clock.read().t_utc_ns // NS_PER_US)


def key_states(config: NodeConfig) -> list[KeyState]:
    """The keys in force, as whoever looks after the pole is shown them.

    Raises:
        RoehError: they cannot be read, or are not safe.
    """
    sets = key_sets(config)
    # Outside its unit a credential cannot be seen, only what was prepared for systemd.
    home = FileHome(sets) if config.keys.home == "credential" else key_home(config)
    return Pole(node_name(config), home, config.keys.home, sets, tls_copies(config)).states()


def judge_keys(states: list[KeyState], now_utc_us: int) -> Iterator[Outcome]:
    """One line for what is wrong with each, one for all if nothing is."""
    faults = [_judge_key(state, now_utc_us) for state in states if state.is_provisioned]
    unprovisioned = [state.usage.value for state in states if not state.is_provisioned]
    if unprovisioned:
        yield doubtful(
            Code.KEYS_UNPROVISIONED,
            f"UNPROVISIONED keys ({', '.join(unprovisioned)}): the node vouches for itself",
            "begin the ceremony with roeh keys request (edge/docs/keys.md)",
        )
    found = [fault for fault in faults if fault is not None]
    yield from found
    if not found and not unprovisioned:
        yield good(f"{len(states)} keys, vouched for and in force")


def check_masks(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Privacy masks that cannot be in the recording, said before anybody relies on them."""
    masked = [sensor for sensor in config.sensors if sensor.masks]
    if not masked or not config.evidence.record:
        yield good("no masks to be burnt into a recording")
        return
    for sensor in masked:
        if not config.evidence.mask_recording:
            yield doubtful(
                Code.MASK_OFF,
                f"the privacy masks of {sensor.name} are not in its recording",
                "set evidence.mask_recording to true",
            )
        elif _sends_its_own(sensor.source):
            kept = "not recorded at all" if config.evidence.refuse_unmasked else "recorded unmasked"
            yield doubtful(
                Code.MASK_UNSURE,
                f"{sensor.name} has privacy masks: if it sends H.264 or H.265 it is {kept}",
                "let the camera itself black them out as well",
            )
        else:
            yield good(f"the privacy masks of {sensor.name} are burnt into its recording")


def _sends_its_own(source: SourceSection) -> bool:
    """Whether it may be recorded as it comes, which nobody can mask."""
    is_usb_h264 = isinstance(source, V4l2Source) and source.video == "h264"
    return is_usb_h264 or isinstance(source, RtspSource | FileSource)


def check_recording(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """What a node that runs says of its recording."""
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock, timeout_s=2.0)
    try:
        status = client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    except RoehError:
        yield good("no node runs from this configuration now: nothing to be asked")
        return
    finally:
        client.close()
    yield from judge_recording(status)


def judge_recording(status: NodeStatus) -> Iterator[Outcome]:
    """Alarms, cameras that are not recorded, and key pictures too far apart."""
    for alarm in status.alarms:
        yield bad(Code.RECORDING_ALARM, alarm, "see edge/docs/evidence.md")
    capture = [report for report in status.reports if report.process == Role.CAPTURE.value]
    for report in capture:
        for line in filter(None, report.detail.split("; ")):
            yield doubtful(Code.CAMERA_TROUBLE, line, "see to the camera")
    silent = [camera.camera_id for camera in status.cameras if camera.fragment_age_us is None]
    if silent:
        yield doubtful(
            Code.RECORDING_NONE, f"nothing recorded yet of {', '.join(silent)}", "see to the camera"
        )
    elif not status.alarms:
        yield good(f"cameras that are being recorded: {len(status.cameras)}")


def _judge_key(state: KeyState, now_utc_us: int) -> Outcome | None:
    days = (state.until_utc_us - now_utc_us) // _US_PER_DAY
    remedy = f"roeh keys rotate {state.usage.value}"
    if days < 0:
        return bad(Code.CERT_ENDED, f"the {state.usage.value} key's certificate has ended", remedy)
    if days < _SOON_DAYS:
        return doubtful(
            Code.CERT_ENDING,
            f"the {state.usage.value} key's certificate ends in {days} days",
            remedy,
        )
    return None
