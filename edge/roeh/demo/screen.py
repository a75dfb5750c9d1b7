"""What the demo shows: lines for people, or JSON lines for machines."""

from __future__ import annotations

from typing import NoReturn, Protocol, TextIO

import msgspec
from rich.console import Console

from roeh.core.config import NodeConfig
from roeh.core.types import Alert, AlertPhase
from roeh.demo.counts import DemoCounts
from roeh.demo.exported import ExportedEvidence
from roeh.demo.recorded import RecordedEvidence

_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
_PHASE_STYLE = {
    AlertPhase.RAISED: "bold red",
    AlertPhase.UPDATED: "yellow",
    AlertPhase.CLEARED: "green",
}


class ShownAlert(msgspec.Struct, frozen=True):
    """An alert message as the demo shows it; see `roeh.demo.control_room.Arrival`."""

    alert: Alert
    delay_us: int
    rule_delay_us: int
    thumbnail_bytes: int | None


class Screen(Protocol):
    """Where the demo speaks to."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def start(
        self, scene: str, config: NodeConfig, broker: str, port: int, duration_s: float
    ) -> None:
        """The demo begins."""

    def arrival(self, arrival: ShownAlert) -> None:
        """An alert arrived at the control room."""

    def end(self, counts: DemoCounts) -> None:
        """The demo is over."""


class _TerminalConsole(Console):
    """Whoever read our output has enough of it: that is for the command line to deal with."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


class TerminalScreen:
    """Lines for people."""

    def __init__(self, out: TextIO) -> None:
        self._console = _TerminalConsole(file=out, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line."""
        self._console.print(f"[dim]{text}[/dim]")

    def start(
        self, scene: str, config: NodeConfig, broker: str, port: int, duration_s: float
    ) -> None:
        """What is going to happen."""
        self._console.print(
            f"[bold]Roeh demo[/bold]: {scene}; node {config.node.site}/{config.node.name};"
            f" {broker} broker on 127.0.0.1:{port}; {duration_s:.0f} s of footage"
        )
        self._console.print(
            "[dim]time      phase    rule             zone           bearing     range"
            "          thumbnail  delay[/dim]"
        )

    def arrival(self, arrival: ShownAlert) -> None:
        """One line per alert message."""
        alert = arrival.alert
        where = alert.where
        time_of_day_s = alert.t_utc_us // 1_000_000 % 86400
        clock_text = (
            f"{time_of_day_s // 3600:02d}:{time_of_day_s // 60 % 60:02d}:{time_of_day_s % 60:02d}"
        )
        compass = _COMPASS[round(where.bearing_deg / 45) % 8]
        size_bytes = arrival.thumbnail_bytes
        picture = "-" if size_bytes is None else f"{size_bytes / 1000:.1f} kB"
        style = _PHASE_STYLE[alert.phase]
        self._console.print(
            f"{clock_text}  [{style}]{alert.phase.value:8}[/{style}] {alert.rule:16}"
            f" {alert.zone or '-':14} {round(where.bearing_deg, 1) % 360:5.1f}° {compass:2}"
            f"  {where.range_m:5.1f} ± {where.range_sigma_m:4.1f} m  {picture:>9}"
            f" {arrival.delay_us / 1000:5.0f} ms"
        )

    def end(self, counts: DemoCounts) -> None:
        """The counts of both sides."""
        style = "bold red" if counts.messages_lost or counts.messages_waiting else "bold green"
        self._console.print(
            f"[{style}]alerts raised {counts.alerts_raised}, delivered"
            f" {counts.alerts_delivered}, lost {counts.alerts_lost}[/{style}]"
            f" (with updates and clears: {counts.messages} messages, lost"
            f" {counts.messages_lost}, waiting {counts.messages_waiting};"
            f" {counts.thumbnails_delivered} thumbnails)"
        )
        if counts.delay_median_ms is not None:
            self._console.print(
                f"delay from the instant of the picture to the control room: median"
                f" {counts.delay_median_ms:.0f} ms, p95 {counts.delay_p95_ms:.0f} ms, of which"
                f" drawing or decoding the picture {counts.camera_delay_ms or 0:.0f} ms;"
                f" from the instant the rule came true: median"
                f" {counts.rule_delay_median_ms:.0f} ms, p95 {counts.rule_delay_p95_ms:.0f} ms"
            )
        if counts.evidence is not None:
            self._console.print(_recorded(counts.evidence))
        self._console.print(
            f"the control room's witness has signed {counts.witnessed_records} records of the"
            " pole's ledger: nobody can rewrite those unseen"
        )
        if counts.exported is not None:
            self._console.print(_exported(counts.exported))
        self._console.print(f"picture of the tracks: {counts.picture}")


def _recorded(evidence: RecordedEvidence) -> str:
    style = "bold green" if evidence.is_sound else "bold red"
    return (
        f"[{style}]recorded: {evidence.segments} segments, {evidence.gops} signed groups of"
        f" pictures, {evidence.video_bytes / 1e6:.1f} MB, {evidence.gaps} gaps[/{style}];"
        f" the offline verifier says: bytes intact {evidence.bytes_intact.value}, signer trusted"
        f" {evidence.signer_trusted.value} (by this demo's own root), complete"
        f" {evidence.complete.value}"
    )


def _exported(exported: ExportedEvidence) -> str:
    style = "bold green" if exported.is_sound else "bold red"
    said = ", ".join(f"{name} {check.value}" for name, check in exported.checks.items())
    return (
        f"[{style}]exported: one officer asked, another agreed, {exported.size_bytes / 1e6:.1f} MB"
        f" fetched after {exported.took_s:.0f} s[/{style}]; the offline verifier says: {said}"
        f" (by this demo's own root): {exported.file}\n"
        f"open it: {exported.opening}"
    )


class _JsonNote(msgspec.Struct, frozen=True):
    note: str


class JsonScreen:
    """JSON lines: notes, arrivals, and the counts last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def note(self, text: str) -> None:
        """A line with the text."""
        self._line(_JsonNote(text))

    def start(
        self, scene: str, config: NodeConfig, broker: str, port: int, duration_s: float
    ) -> None:
        """A note of what is going to happen."""
        self.note(f"{scene}; {config.node.name}; {broker} on port {port}; {duration_s:.0f} s")

    def arrival(self, arrival: ShownAlert) -> None:
        """The alert and its delay."""
        self._line(arrival)

    def end(self, counts: DemoCounts) -> None:
        """The counts."""
        self._line(counts)

    def _line(self, value: msgspec.Struct) -> None:
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()
