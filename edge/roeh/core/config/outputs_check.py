"""Whether outputs can be meant, and the rules that let them on."""

from __future__ import annotations

from roeh.core.config.names_check import check_known, check_unique
from roeh.core.config.output_schema import GpioOutput
from roeh.core.config.schema import NodeConfig
from roeh.core.config.sensor_schema import IrCutSection
from roeh.core.errors import ConfigError


def check_outputs(config: NodeConfig, name: str) -> None:
    """Refuse outputs that share what they switch, and rules that name none that is there.

    Raises:
        ConfigError: naming the field and what to write.
    """
    check_unique("outputs", [output.name for output in config.outputs], name)
    schedules = {schedule.name for schedule in config.schedules}
    lines = _lines_of_cameras(config)
    for index, output in enumerate(config.outputs):
        place = f"outputs[{index}] {output.name}"
        if output.schedule:
            check_known(output.schedule, schedules, f"{place} schedule", name)
        if isinstance(output, GpioOutput):
            _check_line(output, lines, place, name)
    outputs = {output.name for output in config.outputs}
    for index, rule in enumerate(config.rules):
        for wanted in rule.outputs:
            check_known(wanted, outputs, f"rules[{index}] {rule.name} outputs", name)


def _lines_of_cameras(config: NodeConfig) -> dict[tuple[str, int], str]:
    """Chip and line of each filter and lamp, and whose they are."""
    found: dict[tuple[str, int], str] = {}
    for sensor in config.sensors:
        ir_cut = sensor.light.ir_cut
        if isinstance(ir_cut, IrCutSection):
            found[ir_cut.chip, ir_cut.filter_line] = f"the filter of {sensor.name}"
            found[ir_cut.chip, ir_cut.lamp_line] = f"the lamp of {sensor.name}"
    return found


def _check_line(
    output: GpioOutput, lines: dict[tuple[str, int], str], place: str, name: str
) -> None:
    """A line has one owner; it is this one from here on."""
    owner = lines.setdefault((output.chip, output.line), f"output {output.name}")
    if owner != f"output {output.name}":
        raise ConfigError(
            what=f"the line is taken by {owner}",
            which=f"{place} {output.chip} line {output.line} in {name}",
            remedy="give each a line of its own",
        )
