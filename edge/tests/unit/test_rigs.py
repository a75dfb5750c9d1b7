"""The example rigs are valid and see all round; the doctor names gaps and doubled views."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from roeh.cli import main
from roeh.core.clock import SimulatedClock
from roeh.core.config import NodeConfig, parse_config
from roeh.core.types import Size
from roeh.doctor.rig import check_rig
from roeh.optics.configured import rig_from
from roeh.optics.coverage import Arc, arcs_of, coverage_at
from roeh.vision.layout import tiles_for

RIGS = Path(__file__).parents[2] / "docs" / "rigs"
EXAMPLES = sorted(RIGS.glob("*.toml"))


def config_of(name: str) -> NodeConfig:
    return parse_config((RIGS / f"{name}.toml").read_text(), name=name)


def said(config: NodeConfig) -> list[tuple[str, str]]:
    return [(outcome.verdict, outcome.what) for outcome in check_rig(config, SimulatedClock())]


def without(config: NodeConfig, name: str) -> NodeConfig:
    kept = tuple(sensor for sensor in config.sensors if sensor.name != name)
    return msgspec.structs.replace(config, sensors=kept)


def test_there_is_an_example_of_each_rig_and_the_page_shows_it():
    assert [path.stem for path in EXAMPLES] == ["back-to-back", "fisheye", "ring"]
    page = (RIGS.parent / "rigs.md").read_text()
    assert all(f"(rigs/{path.name})" in page for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["config", "check", "-c", str(path)]) == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_sees_a_person_at_every_bearing(path: Path):
    rig = rig_from(config_of(path.stem))

    for range_m in (5.0, 8.0, 15.0):
        assert coverage_at(rig, range_m).gaps == ()
    assert [verdict for verdict, _ in said(config_of(path.stem))] == ["OK"]


@pytest.mark.parametrize(("name", "least_deg"), [("back-to-back", 17), ("ring", 20)])
def test_neighbours_share_ground_on_which_people_go_over(name: str, least_deg: int):
    """At walking pace 17 degrees at 5 m are more than a second."""
    for range_m in (5.0, 8.0, 15.0):
        seen = coverage_at(rig_from(config_of(name)), range_m).seen
        arcs = arcs_of(seen.sum(axis=0) > 1)
        assert len(arcs) == len(seen)
        assert min(arc.width_deg for arc in arcs) >= least_deg


def test_the_doctor_names_the_bearings_that_nobody_sees():
    config = without(config_of("ring"), "right")
    turned = msgspec.structs.replace(
        config, node=msgspec.structs.replace(config.node, heading_deg=30.0)
    )

    at_10_m = [what for verdict, what in said(turned) if verdict == "WARN" and "10 m" in what]
    # The right one looked east; the pole is turned by 30 degrees.
    assert at_10_m == ["at 10 m nobody sees bearing 89 to 151°"]


def test_the_doctor_names_two_sensors_with_one_view():
    config = config_of("back-to-back")
    front, rear = config.sensors
    both = msgspec.structs.replace(
        config, sensors=(front, msgspec.structs.replace(rear, azimuth_deg=3.0))
    )

    warnings = [what for verdict, what in said(both) if verdict == "WARN"]
    assert any(what.startswith("front and rear would show the same ground") for what in warnings)
    assert any("nobody sees" in what for what in warnings)


def test_of_a_camera_that_looks_one_way_the_doctor_says_what_it_sees():
    config = config_of("ring")
    alone = msgspec.structs.replace(config, sensors=config.sensors[:1])

    assert said(alone) == [("OK", "ahead sees bearing 301 to 59° at 10 m")]


def test_arcs_go_over_north_and_all_round():
    marked = np.zeros(360, np.bool_)
    assert arcs_of(marked) == ()
    marked[:10] = marked[350:] = marked[100:103] = True
    assert set(arcs_of(marked)) == {Arc(100.0, 103.0), Arc(350.0, 10.0)}
    assert arcs_of(np.ones(360, np.bool_)) == (Arc(0.0, 0.0),)
    assert Arc(350.0, 10.0).width_deg == 20.0


def test_a_fisheye_that_looks_ahead_is_looked_at_only_where_it_shows_something():
    front, rear = rig_from(config_of("back-to-back")).sensors
    (dome,) = rig_from(config_of("fisheye")).sensors
    size = Size(416, 416)

    assert [len(tiles_for(sensor, size)) for sensor in (front, rear, dome)] == [5, 5, 8]
