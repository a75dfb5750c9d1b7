"""A node whose camera was recorded and watched, by the product's own parts, at exact times."""

import contextlib
import threading
from itertools import islice

import msgspec

from roeh.capture.gops import GopBuilder
from roeh.core.clock import SimulatedClock, SystemClock
from roeh.core.config import ComposedSource, load_config
from roeh.core.gop import Discontinuity
from roeh.core.ids import ClockIds
from roeh.core.peers import GopStored, Role, StoreGop, Verb
from roeh.core.types import AlertPhase
from roeh.sources.factory import open_source
from roeh.sources.pace import OfferPace
from roeh.vision.pipeline import Pipeline
from tests.coded_clips import write_coded_clip
from tests.process.children import Evidence
from tests.streets import ANYBODY, POSE_AND_LENS, crossed_line

CLIP_S = 6
CLIP_FPS = 10
NODE = """
[node]
site = "harbour"
name = "pole"
time_zone = "Europe/Amsterdam"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
segment_s = 2.0
min_free_bytes = 0
[detect]
fps = 5.0
min_confidence = 0.35
[[sensors]]
name = "square"
source = {{ kind = "file", path = "{directory}/clip.mp4" }}
"""
CROWD = """
[[rules]]
kind = "crowd"
name = "crowd"
count = 3
radius_m = 5.0
duration_s = 1.0
"""


class TunedNode:
    """The node in `directory`, and what its rules raised while it was recorded."""

    def __init__(self, directory):
        self.directory = directory
        self.config_path = directory / "node.toml"
        head = NODE.format(directory=directory) + POSE_AND_LENS
        # Somebody goes over one of them all the time.
        lines = "".join(crossed_line(f"{x}", (x, 0), (x, 20)) for x in range(5))
        self.config_path.write_text(head + ANYBODY + CROWD + lines)
        self.config = load_config(self.config_path)
        self.clip = directory / "clip.mp4"
        write_coded_clip(self.clip, self._pictures(), fps=CLIP_FPS, key_every=CLIP_FPS)
        self.evidence = Evidence(self.config)
        self.raised = []

    def record_and_watch(self):
        """Each compressed picture goes to evidence, and detection sees what it would be given."""
        now = SystemClock().read()
        clock = SimulatedClock(
            t_utc_ns=now.t_utc_ns,
            t_mono_ns=now.t_mono_ns,
            boot_id=now.boot_id,
        )
        (section,) = self.config.sensors
        recorder = _Recorder(self.evidence, ClockIds(clock).new())
        source = open_source(
            section.source,
            sensor=section,
            clock=clock,
            paced=False,
            heading_deg=0.0,
            coded=recorder,
        )
        pipeline, pace = Pipeline(self.config), OfferPace(self.config.detect.fps)
        with source:
            for frame in source.frames(threading.Event()):
                if pace.wants(frame.info.t_mono_ns):
                    found = pipeline.analyse(frame.read()).findings
                    raised = [one for one in found if one.phase is AlertPhase.RAISED]
                    self.raised += [(frame.info.t_mono_ns, one) for one in raised]

    def _pictures(self):
        """Drawn people."""
        (section,) = self.config.sensors
        # Each is shown twice: to draw them costs more than to look at them.
        drawn = ComposedSource(seed=2, people=10, fps=CLIP_FPS / 2)
        source = open_source(
            drawn,
            sensor=msgspec.structs.replace(section, source=drawn),
            clock=SimulatedClock(),
            paced=False,
            heading_deg=0.0,
        )
        with source:
            frames = islice(source.frames(threading.Event()), CLIP_S * CLIP_FPS // 2)
            return [picture for frame in frames for picture in [frame.read().bgr()] * 2]


class _Recorder:
    """Of a camera's compressed pictures: groups, stored one by one."""

    def __init__(self, evidence, capture_id):
        self._client = evidence.client(Role.CAPTURE)
        self._builder = GopBuilder("square", capture_id)

    def begins(self, codec, *, is_coded):
        pass

    def picture(self, picture):
        self._store(self._builder.add(picture))

    def damaged(self):
        raise AssertionError("a clip without damage")

    def ended(self, reason):
        self._store(self._builder.end(Discontinuity.SOURCE_RECONNECTED))

    def _store(self, gop):
        if gop is not None:
            self._client.call(Verb.GOP_STORE, StoreGop(gop), GopStored)


@contextlib.contextmanager
def tuned_node(directory):
    node = TunedNode(directory)
    try:
        node.evidence.start()
        node.record_and_watch()
        yield node
    finally:
        node.evidence.close()
