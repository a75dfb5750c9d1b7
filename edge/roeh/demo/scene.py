"""What the demo's pole looks at, and the rules it holds: one node.toml for each."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.config import (
    BrokerSection,
    ComposedSource,
    CrowdRule,
    DeskSection,
    DetectSection,
    LensSection,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    NodeConfig,
    NodeSection,
    PanoramaSource,
    PathsSection,
    RetrieveSection,
    SensorSection,
    SourceSection,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.detect.ordinary import ordinary_video
from roeh.sources.drawn.demo_scene import DEMO_HEIGHT_M, demo_views
from roeh.sources.footage import probe

#: One hemispheric camera, as on a real pole.
FISHEYE = LensSection(model="equidistant", width_px=2048, height_px=2048, fov_deg=185.0)
FPS = 10.0


def panorama_scene(footage: Path) -> NodeConfig:
    """Real people all round the pole."""
    source = PanoramaSource(path=str(footage), views=demo_views(), fps=FPS)
    return _fisheye_scene(source, DEMO_HEIGHT_M)


def composed_scene() -> NodeConfig:
    """Drawn people, where no footage can be had."""
    return _fisheye_scene(ComposedSource(seed=11, people=8, fps=FPS), 5.0)


def file_scene(video: Path) -> NodeConfig:
    """The user's own ordinary video.

    Raises:
        SourceUnreadable: it is not there or is not video.
    """
    size = probe(str(video)).size
    return ordinary_video(str(video.resolve()), size, loop=False)


def on_this_machine(
    scene: NodeConfig,
    directory: Path,
    *,
    broker_port: int,
    duration_s: float,
    run_dir: Path | None = None,
    desk_keys: Path | None = None,
) -> NodeConfig:
    """The scene as a node in `directory`, publishing to a broker on loopback.

    Args:
        scene: what it sees and its rules.
        directory: for its data, and for its sockets unless `run_dir` is given.
        broker_port: on this machine.
        duration_s: after which each camera stops.
        run_dir: for its sockets, whose paths have to be short.
        desk_keys: the control room that has to acknowledge; None: the broker does.
    """
    return msgspec.structs.replace(
        scene,
        paths=PathsSection(
            data_dir=str(directory / "data"), run_dir=str(run_dir or directory / "run")
        ),
        sensors=tuple(
            msgspec.structs.replace(sensor, stop_after_s=duration_s) for sensor in scene.sensors
        ),
        detect=msgspec.structs.replace(scene.detect, track_log=str(directory / "tracks.jsonl")),
        broker=BrokerSection(
            port=broker_port, connect_spread_s=0.0, heartbeat_s=10.0, checkpoint_s=5.0
        ),
        desk=DeskSection(keys_file=str(desk_keys or "")),
        retrieve=RetrieveSection(port=0),
    )


def _fisheye_scene(source: SourceSection, height_m: float) -> NodeConfig:
    return NodeConfig(
        node=NodeSection(
            site="demo",
            name="pole-1",
            heading_deg=0.0,
            heading_sigma_deg=0.5,
            latitude_deg=31.7780,
            longitude_deg=35.2354,
            position_sigma_m=3.0,
        ),
        sensors=(SensorSection(name="dome", source=source, lens=FISHEYE, height_m=height_m),),
        detect=DetectSection(fps=FPS / 2),
        zones=(
            ZoneSection(
                name="north-plaza",
                bearing_from_deg=315.0,
                bearing_to_deg=45.0,
                range_from_m=3.0,
                range_to_m=14.0,
            ),
            ZoneSection(
                name="south-gate",
                bearing_from_deg=150.0,
                bearing_to_deg=210.0,
                range_from_m=3.0,
                range_to_m=14.0,
            ),
        ),
        lines=(LineSection(name="east-kerb", from_m=(8.0, -8.0), to_m=(8.0, 8.0)),),
        rules=(
            ZoneEntryRule(name="plaza-entry", zone="north-plaza", priority=4, cool_down_s=8.0),
            ZoneEntryRule(name="gate-entry", zone="south-gate", priority=5, cool_down_s=8.0),
            LineCrossingRule(name="kerb-crossing", line="east-kerb", priority=6, cool_down_s=5.0),
            LoiteringRule(name="loitering", dwell_s=8.0, radius_m=2.0, priority=6),
            CrowdRule(name="crowd", count=4, radius_m=4.0, duration_s=3.0, priority=7),
        ),
    )
