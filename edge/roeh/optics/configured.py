"""From the configuration's sections to lenses, sensors, the rig and the pole's position."""

from __future__ import annotations

from roeh.core.config import LensSection, NodeConfig, SensorSection, StandaloneLens
from roeh.optics.geodesy import PolePosition
from roeh.optics.lens import Lens, lens_of
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor


def lens_from(section: LensSection) -> Lens:
    """The lens that a section describes.

    Raises:
        LensError: values that no camera can have.
    """
    return lens_of(
        section.model,
        width_px=section.width_px,
        height_px=section.height_px,
        fov_deg=section.fov_deg,
        center_px=section.center_px,
        k=section.k if any(section.k) else None,
        focal_px=section.focal_px,
    )


def sensor_from(section: SensorSection) -> Sensor:
    """One camera of the pole."""
    pose = Pose(
        section.azimuth_deg,
        section.tilt_deg,
        section.roll_deg,
        section.height_m,
        section.offset_m,
    )
    sigmas = PoseSigmas(
        tilt_deg=section.tilt_sigma_deg,
        height_m=section.height_sigma_m,
        azimuth_deg=section.azimuth_sigma_deg,
    )
    return Sensor(section.name, lens_from(section.lens), pose, sigmas)


def rig_from(config: NodeConfig) -> Rig:
    """The pole's cameras and which way it faces."""
    return Rig(
        sensors=tuple(sensor_from(section) for section in config.sensors),
        heading_deg=config.node.heading_deg,
        heading_sigma_deg=config.node.heading_sigma_deg,
    )


def pole_from(config: NodeConfig) -> PolePosition | None:
    """Where the pole stands, if the configuration tells."""
    node = config.node
    if node.latitude_deg is None or node.longitude_deg is None:
        return None
    return PolePosition(node.latitude_deg, node.longitude_deg, node.position_sigma_m)


def standalone_rig(lens: StandaloneLens, name: str) -> Rig:
    """A rig of one camera, north unknown: bearings count from its upper edge."""
    pose = Pose(lens.azimuth_deg, lens.tilt_deg, 0.0, lens.height_m)
    return Rig(
        sensors=(Sensor(name, lens_from(lens), pose),), heading_deg=0.0, heading_sigma_deg=180.0
    )
