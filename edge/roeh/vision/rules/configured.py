"""From a rule's section of the configuration to the rule."""

from __future__ import annotations

from roeh.core.config import (
    CameraBlindRule,
    CameraTamperRule,
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LoiteringRule,
    LoudNoiseRule,
    NodeConfig,
    ObjectLeftRule,
    RuleSection,
    RunningRule,
    ScuffleRule,
    VehicleStoppedRule,
    ZoneEntryRule,
)
from roeh.vision.rules.camera_blind import CameraBlind, endless_cameras
from roeh.vision.rules.camera_tamper import CameraTamper
from roeh.vision.rules.crowd import Crowd
from roeh.vision.rules.dispersal import Dispersal
from roeh.vision.rules.finding import Rule
from roeh.vision.rules.geometry import Line, area_of
from roeh.vision.rules.line_crossing import LineCrossing
from roeh.vision.rules.loitering import Loitering
from roeh.vision.rules.loud_noise import LoudNoise
from roeh.vision.rules.object_left import ObjectLeft
from roeh.vision.rules.running import Running
from roeh.vision.rules.scuffle import Scuffle
from roeh.vision.rules.zone_entry import ZoneEntry


def rule_of(section: RuleSection, config: NodeConfig) -> Rule:
    """The rule that a section describes; the configuration's check has seen that places exist."""
    zones = {zone.name: area_of(zone) for zone in config.zones}
    rule: Rule
    match section:
        case LineCrossingRule():
            (line,) = [line for line in config.lines if line.name == section.line]
            rule = LineCrossing(section, Line(line))
        case ZoneEntryRule():
            rule = ZoneEntry(section, zones[section.zone])
        case LoiteringRule() | VehicleStoppedRule():
            rule = Loitering(section, zones.get(section.zone))
        case CrowdRule():
            rule = Crowd(section, zones.get(section.zone))
        case RunningRule():
            rule = Running(section, zones.get(section.zone))
        case CameraTamperRule():
            rule = CameraTamper(section)
        case CameraBlindRule():
            rule = CameraBlind(section, endless_cameras(config))
        case DispersalRule():
            rule = Dispersal(section, zones.get(section.zone))
        case ObjectLeftRule():
            rule = ObjectLeft(section, zones.get(section.zone))
        case ScuffleRule():
            rule = Scuffle(section, zones.get(section.zone))
        case LoudNoiseRule():
            rule = LoudNoise(section, config.sensors[0].name)
    return rule
