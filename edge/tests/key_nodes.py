"""A node's configuration for tests of its keys."""

from roeh.core.config import (
    FileSource,
    KeysSection,
    LensSection,
    NodeConfig,
    NodeSection,
    PathsSection,
    SensorSection,
)


def node_with_keys(data_dir, *, site="haifa", node="pole-7", **keys):
    sensor = SensorSection(
        source=FileSource(path="clip.mp4"),
        lens=LensSection(width_px=64, height_px=64, fov_deg=185.0),
    )
    return NodeConfig(
        sensors=(sensor,),
        node=NodeSection(site=site, name=node),
        paths=PathsSection(data_dir=str(data_dir), run_dir=str(data_dir)),
        keys=KeysSection(**keys),
    )
