"""A pole's life from start to start, by a clock that moves when told: what a story needs."""

import contextlib

import msgspec

from roeh.core.clock import NS_PER_US, SimulatedClock, SystemClock
from roeh.core.config import parse_config
from roeh.custody.check import Level, check
from roeh.custody.link import evidence_link
from roeh.evidence.parts import EvidenceParts
from roeh.evidence.rebuilding import rebuild_if_needed
from roeh.evidence.recording import recover
from roeh.ledger.recovery import note_clean_end
from roeh.verify.checking import Beliefs, verify
from roeh.verify.commands import read_anchors
from roeh.verify.report import Weight
from tests.ceremonies import KeyKeeper, pole_of, provision
from tests.gops import GopSource

_NODE = """
[node]
site = "harbour"
name = "pole-7"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
{evidence}
{sensors}
"""
_SENSOR = """
[[sensors]]
name = "{name}"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
_SETTINGS = {"segment_s": 2.0, "min_free_bytes": 0, "max_bytes": 1 << 26}


class PoleLife:
    """Evidence's own parts over many starts, boots and configurations; its city's keys.

    Attributes:
        sources: of each camera, the run of capture that goes on.
    """

    def __init__(self, directory, cameras=("north", "south")):
        self.directory = directory
        now = SystemClock().read()
        self.clock = SimulatedClock(
            t_mono_ns=10**9, t_utc_ns=now.t_utc_ns, boot_id="00000000-0000-4000-8000-000000000001"
        )
        self.settings = dict(_SETTINGS)
        self.cameras = tuple(cameras)
        self.sources = {}
        self.codec = "h264"
        self.keeper = KeyKeeper(directory / "city")
        provision(self.config, self.keeper)
        self.boots = 1
        self.closing = None
        self.notices = ()

    @property
    def config(self):
        evidence = "\n".join(f"{name} = {value}" for name, value in self.settings.items())
        sensors = "".join(_SENSOR.format(name=name) for name in self.cameras)
        text = _NODE.format(directory=self.directory, evidence=evidence, sensors=sensors)
        return parse_config(text, name="node.toml")

    @property
    def data(self):
        return self.directory / "data"

    # What happens to it

    def start(self):
        self.notices += rebuild_if_needed(self.config, self.clock)
        self.closing = contextlib.ExitStack()
        self.parts = EvidenceParts(
            self.config, self.clock, self.closing, on_failed=lambda error: None
        )
        self.recorder = recover(self.parts, on_closed=lambda: None, on_lost=lambda error: None)
        self.parts.checkpoints.renew()

    def stop(self):
        """As it should end."""
        self.recorder.close()
        with self.parts.database.writing() as connection:
            note_clean_end(connection)
        self.parts.checkpoints.renew()
        self._gone()

    def kill(self):
        """Nothing more is written than what was acknowledged."""
        self.recorder._signatures.close()
        self._gone()

    def restart(self):
        self.stop()
        self.start()

    def reboot(self, off_s=60.0):
        """Another boot; the monotonic clock begins anew and cameras with it."""
        self.boots += 1
        now = self.clock.read()
        self.clock = SimulatedClock(
            t_mono_ns=2 * 10**9,
            t_utc_ns=now.t_utc_ns + int(off_s * 1e9),
            boot_id=f"00000000-0000-4000-8000-{self.boots:012d}",
        )
        self.sources.clear()

    def rotate(self, usages):
        pole = pole_of(self.config)
        pole.install(self.keeper.sign(pole.request(usages)))

    def capture_restarts(self, camera_id):
        self.sources.pop(camera_id, None)

    def source(self, camera_id):
        """The camera's run of capture, made when there is none."""
        if camera_id not in self.sources:
            now = self.clock.read()
            self.sources[camera_id] = GopSource(
                camera_id,
                codec=self.codec,
                boot_id=now.boot_id,
                mono_us=now.t_mono_ns // NS_PER_US,
                utc_us=now.t_utc_ns // NS_PER_US,
            )
        return self.sources[camera_id]

    def record(self, gops, *cameras):
        """So many groups of each of these cameras, of all by default."""
        for _ in range(gops):
            for camera_id in cameras or self.cameras:
                self.store(camera_id)
            self.clock.advance(0.5)

    def store(self, camera_id, **changes):
        return self.recorder.store(
            msgspec.structs.replace(self.source(camera_id).next(), **changes)
        )

    def _gone(self):
        self.closing.close()
        self.closing = None

    # What is said of it

    def verified(self, path=None, on_progress=lambda _progress: None):
        """The report of somebody who believes the city's root."""
        beliefs = Beliefs(anchors=read_anchors([self.directory / "city/root/ca.pem"], []))
        return verify(path or self.data, beliefs, self.clock, on_progress)

    def checked(self, level=Level.SIGNATURES):
        beliefs = Beliefs(anchors=read_anchors([self.directory / "city/root/ca.pem"], []))
        with evidence_link(self.config, self.clock) as link:
            return check(
                link,
                self.config,
                level,
                beliefs=beliefs,
                clock=self.clock,
                on_progress=lambda what, done, of: None,
            )

    def close(self):
        if self.closing is not None:
            self.kill()


def failures(report):
    """What a report holds against the evidence: (what, path or leaf)."""
    return [
        (found.what, found.path or found.leaf, found.detail)
        for found in report.findings
        if found.weight is Weight.FAIL
    ]


def remarks(report):
    """What it says beside."""
    return {found.what for found in report.findings if found.weight is Weight.NOTE}
