"""The sections of node.toml that say what an alert or an order lets on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from roeh.core.config.section import FilePath, Name, NotEmpty, Section


class _Output(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What all outputs have. An alert's rule lets one on for `longest_on_s`, an order for less.

    Then it is off for at least `shortest_pause_s`; it is let on `most_per_day` times in a day that
    the node ran at most, in the hours of its schedule (empty: in all).
    """

    name: Name
    longest_on_s: Annotated[float, Meta(ge=0.1, le=600)] = 10.0
    shortest_pause_s: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    most_per_day: Annotated[int, Meta(ge=1, le=1000)] = 20
    schedule: str = ""


class GpioOutput(_Output, frozen=True, kw_only=True, tag="gpio"):
    """A line of a GPIO chip: a light, a siren. High is on, unless `active_low`."""

    chip: FilePath = "/dev/gpiochip0"
    line: Annotated[int, Meta(ge=0, le=1023)]
    active_low: bool = False


class SoundOutput(_Output, frozen=True, kw_only=True, tag="sound"):
    """A WAV file that is played once, through an ALSA device."""

    file: FilePath
    device: NotEmpty = "default"


class TrialOutput(_Output, frozen=True, kw_only=True, tag="trial"):
    """Nothing that anybody sees or hears: a line in a file for each switch, `on` or `off`."""

    file: FilePath


OutputSection = GpioOutput | SoundOutput | TrialOutput
