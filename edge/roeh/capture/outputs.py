"""Outputs are let on here, and go off by themselves: at their time, at the end, at every start.

Evidence decided and has it on record before anything comes here. Each output has a thread that
does nothing but let it off in time, whatever cameras do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import OutputSection
from roeh.core.delivery import OrderItem
from roeh.core.log import log_for
from roeh.core.order_listener import Carried, not_its_order
from roeh.core.orders import DeterOrder, Outcome, Reason
from roeh.sources.outputs.opening import open_output
from roeh.sources.outputs.output import Output, OutputFailed

OpenOutput = Callable[[OutputSection], Output]

#: One that cannot be let off is tried again so often, one that cannot be had so often.
_RETRY_S = 0.5
_REOPEN_S = 10.0
_FOREVER_S = 3600.0
_JOIN_S = 3.0

_log = log_for("capture")


class Outputs:
    """All outputs of a node; they are off when this is made. Safe to call from several threads."""

    def __init__(
        self, sections: Iterable[OutputSection], clock: Clock, opened: OpenOutput = open_output
    ) -> None:
        self._clock = clock
        self._driven = {section.name: _Driven(section, clock, opened) for section in sections}

    def let_on(self, name: str, until_mono_ns: int) -> None:
        """Let an output on until then; off, if that is past. It is so when this returns.

        Raises:
            OutputFailed: it does not work, or there is none of that name. One that could not be
                let off is tried again until it is off.
        """
        if name not in self._driven:
            raise OutputFailed(f"there is no output {name}")
        self._driven[name].let_on(until_mono_ns)

    def carry_out(self, item: OrderItem) -> Carried:
        """An order of the control room."""
        order = item.order
        if not isinstance(order, DeterOrder):
            return not_its_order(item)
        until_ns = (item.until_mono_us or 0) * NS_PER_US
        if order.on_s > 0 and until_ns <= self._clock.mono_ns():
            return Carried(Outcome.FAILED, Reason.OVER_ALREADY.value)
        try:
            self.let_on(order.output, until_ns if order.on_s > 0 else 0)
        except OutputFailed:
            return Carried(Outcome.FAILED, Reason.OUTPUT_FAILED.value)
        return Carried()

    def trouble(self) -> str:
        """What does not work, in a line; empty when all do."""
        return "; ".join(text for driven in self._driven.values() if (text := driven.trouble()))

    def close(self) -> None:
        """Let all off, and let go of them."""
        for driven in self._driven.values():
            driven.end()
        for driven in self._driven.values():
            driven.join()


class _Driven:
    """One output and the thread that lets it off."""

    def __init__(self, section: OutputSection, clock: Clock, opened: OpenOutput) -> None:
        self._section = section
        self._clock = clock
        self._opened = opened
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closing = False
        self._output: Output | None = None
        self._until_ns: int | None = None
        self._failure = ""
        self._try(self._open)
        self._thread = threading.Thread(
            target=self._run, name=f"output {section.name}", daemon=True
        )
        self._thread.start()

    def let_on(self, until_ns: int) -> None:
        with self._lock:
            if self._closing:
                raise OutputFailed("capture ends")
            is_on = until_ns > self._clock.mono_ns()
            # Before it is on: whatever happens then, it goes off.
            self._until_ns = until_ns
            failure = self._try(lambda: self._open().on() if is_on else self._open().off())
            _log.info("output %s: %s", self._section.name, failure or ("on" if is_on else "off"))
            if not is_on and not failure:
                self._until_ns = None
        self._changed.set()
        if failure:
            raise OutputFailed(failure)

    def trouble(self) -> str:
        """What does not work."""
        with self._lock:
            inner = "" if self._output is None else self._output.trouble
            text = self._failure or inner
        return f"output {self._section.name}: {text}" if text else ""

    def end(self) -> None:
        with self._lock:
            self._closing = True
        self._changed.set()

    def join(self) -> None:
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._closing:
            self._clock.wait(self._let_off_in_time(), self._changed)
            self._changed.clear()
        with self._lock:
            if self._output is not None:
                self._try(self._output.close)

    def _let_off_in_time(self) -> float:
        """Off, if it is time; in how many seconds to look again."""
        with self._lock:
            if self._output is None:
                self._try(self._open)  # a kill may have left it on: it is off when it is had
            output = self._output
            if output is None:
                return _REOPEN_S
            if self._until_ns is None:
                return _FOREVER_S
            left_s = (self._until_ns - self._clock.mono_ns()) / NS_PER_S
            if left_s > 0:
                return left_s
            if self._try(output.off):
                return _RETRY_S
            self._until_ns = None
        _log.info("output %s: off", self._section.name)
        return 0.0

    def _open(self) -> Output:
        if self._output is None:
            self._output = self._opened(self._section)
        return self._output

    def _try(self, step: Callable[[], object]) -> str:
        """What went wrong, which is trouble until something works; empty: nothing."""
        try:
            step()
        except OutputFailed as error:
            if str(error) != self._failure:
                _log.error("output %s: %s", self._section.name, error)
            self._failure = str(error)
        else:
            self._failure = ""
        return self._failure
