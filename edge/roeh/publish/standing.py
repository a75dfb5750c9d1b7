"""How publish stands with the broker, in the words of its report to the node's status."""

from __future__ import annotations

from typing import Literal

from roeh.core.errors import one_line
from roeh.core.log import log_for
from roeh.core.peers import Role
from roeh.core.types import MAX_DETAIL_CHARS, ProcessReport

_REPEAT_US = 5_000_000
#: A refusal is history after this many deliveries since.
_FORGIVEN_AFTER = 20

State = Literal["starting", "ok", "degraded", "stopped"]

_log = log_for("publish")


class Standing:
    """Collects what happened and gives a report when one is due.

    A report is due when its words changed, and every five seconds, since evidence may
    have been restarted and keeps reports in memory.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._link: tuple[State, str] = ("starting", f"connecting to {address}")
        self._complaint = ""
        self._since_refusal = 0
        self._overruled = ""
        self._unread = False
        self._desk_away = False
        self._certificates = ""
        self._tls_files = ""
        self._evidence_there = True
        self._counters = {
            "delivered": 0.0,
            "refused": 0.0,
            "unread": 0.0,
            "acknowledged": 0.0,
            "sent_again": 0.0,
            "answers": 0.0,
            "checkpoints": 0.0,
            "down_dropped": 0.0,
            "down_refused": 0.0,
            "connections": 0.0,
            "in_flight": 0.0,
            "publish_window_full": 0.0,
        }
        self._last: ProcessReport | None = None

    def connected(self) -> None:
        """The broker took us in."""
        self.count("connections")
        self._set_link("ok", f"connected to {self._address}")

    def refused(self, reason: str) -> None:
        """The broker did not take us in, or the connection ended."""
        address = "" if self._address in reason else f" ({self._address})"
        self._set_link("degraded", f"not connected{address}: {reason}")

    def delivered(self) -> None:
        """The broker took a row."""
        self.count("delivered")
        self._since_refusal += 1
        if self._since_refusal >= _FORGIVEN_AFTER:
            self._complaint = ""

    def row_refused(self, reason_code: int) -> None:
        """The broker refused a row, or would."""
        self.count("refused")
        self._since_refusal = 0
        self._complaint = (
            f"{self._address} refuses messages with reason 0x{reason_code:02x}: "
            "check its access list and limits"
        )

    def overruled(self, own: int, higher: int) -> None:
        """The broker keeps a state of a later connection than ours."""
        self._overruled = (
            f"the broker knows connection {higher} of this node and this is {own}: "
            "two nodes have one name, or node.db was restored from an older copy"
        )

    def evidence_away(self) -> bool:
        """Evidence does not answer; True when that is news."""
        news, self._evidence_there = self._evidence_there, False
        return news

    def evidence_there(self) -> None:
        """Evidence answers."""
        self._evidence_there = True

    def observe_window(self, *, in_flight: int, unread: bool, desk_away: bool) -> None:
        """How the window stands."""
        self._counters["in_flight"] = float(in_flight)
        self._unread = unread
        self._desk_away = desk_away

    def observe_certificates(self, complaint: str) -> None:
        """Which certificate ends soon; empty: none."""
        self._certificates = complaint

    def observe_tls_files(self, complaint: str) -> None:
        """Why new TLS files cannot be used; empty: they can."""
        self._tls_files = complaint

    def count(self, name: str, more: int = 1) -> None:
        """So many more."""
        self._counters[name] += float(more)

    def due_report(self, now_us: int) -> ProcessReport | None:
        """The report to be made now, if one is due."""
        state, detail = self._words()
        detail = one_line(detail)[:MAX_DETAIL_CHARS]
        last = self._last
        said = last is not None and (last.state, last.detail) == (state, detail)
        if last is not None and said and now_us - last.t_mono_us < _REPEAT_US:
            return None
        return self._report(state, detail, now_us)

    def last_report(self, now_us: int) -> ProcessReport:
        """What is told when the process ends on purpose."""
        return self._report("stopped", "stopped on request", now_us)

    def reported(self, report: ProcessReport) -> None:
        """Evidence has it."""
        self._last = report
        self.evidence_there()

    def _report(self, state: State, detail: str, now_us: int) -> ProcessReport:
        return ProcessReport(
            process=Role.PUBLISH.value,
            state=state,
            detail=detail,
            t_mono_us=now_us,
            counters=dict(self._counters),
        )

    def _words(self) -> tuple[State, str]:
        state, detail = self._link
        if state != "ok":
            return state, detail
        unread = f"{self._address} says that nobody reads alerts; they are kept"
        away = "the desk does not acknowledge alerts; they are kept and sent again slowly"
        complaints = (
            self._overruled,
            self._complaint,
            unread if self._unread else "",
            away if self._desk_away else "",
            self._tls_files,
            self._certificates,
        )
        told = "; ".join(complaint for complaint in complaints if complaint)
        return ("degraded", told) if told else (state, detail)

    def _set_link(self, state: State, detail: str) -> None:
        if (state, detail) != self._link:
            _log.info("%s", detail)
        self._link = (state, detail)
