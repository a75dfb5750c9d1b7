"""Two scenes of drawn people, each a node.toml and a video made on the spot.

Lossless, so that the pixels are those that were drawn whatever encoder there is.
"""

from __future__ import annotations

import threading
from fractions import Fraction

import av

from roeh.core.clock import SimulatedClock
from roeh.core.config import ComposedSource, parse_config
from roeh.sources.factory import open_source
from tests.streets import POSE_AND_LENS, crossed_lines

FPS = 5

#: Overhead: eight tiles, people all round, across north.
DOME = """
[[zones]]
name = "north"
bearing_from_deg = 300.0
bearing_to_deg = 60.0
range_to_m = 12.0
[[zones]]
name = "all-round"
bearing_from_deg = 0.0
bearing_to_deg = 0.0
range_to_m = 14.0
[[rules]]
kind = "zone_entry"
name = "north-entry"
zone = "north"
[[rules]]
kind = "loitering"
name = "staying"
dwell_s = 1.0
radius_m = 2.0
[[rules]]
kind = "crowd"
name = "crowd"
count = 3
radius_m = 5.0
duration_s = 0.4
[[sensors]]
name = "dome"
source = { kind = "composed" }
height_m = 5.0
lens = { width_px = 704, height_px = 704, fov_deg = 185.0 }
"""
#: An ordinary camera: one tile, lines to cross.
STREET = (
    """
[[sensors]]
name = "camera"
source = { kind = "composed" }
"""
    + POSE_AND_LENS
    + crossed_lines()
)
SCENES = {"dome": (DOME, 3, 8, 3.2), "street": (STREET, 2, 10, 7.0)}


def make_scene(name, directory):
    """The node.toml and the video of a scene: their paths."""
    toml, seed, people, duration_s = SCENES[name]
    config_path, video_path = directory / f"{name}.toml", directory / f"{name}.mkv"
    config_path.write_text(toml)
    config = parse_config(toml, name=config_path.name)
    drawn = ComposedSource(seed=seed, people=people, fps=FPS, duration_s=duration_s)
    (sensor,) = config.sensors
    source = open_source(drawn, sensor=sensor, clock=SimulatedClock(), paced=False)
    with source, av.open(str(video_path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height = sensor.lens.width_px, sensor.lens.height_px
        stream.pix_fmt = "bgr0"
        for frame in source.frames(threading.Event()):
            picture = av.VideoFrame.from_ndarray(frame.read().bgr(), format="bgr24")
            picture.pts, picture.time_base = frame.info.seq, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return config_path, video_path
