"""What ingest knows of the desk itself: whether it hears poles, and when certificates end."""

from __future__ import annotations

from pathlib import Path

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError
from roeh.desk.commit_hook import CertificateEnd, DeskFacts
from roeh.desk.service_tls import service_tls
from roeh.keys.service_names import ServiceKind
from roeh.transport.tls import certificate_ends_us

#: A clock that moves by more against monotonic time was set.
_STEP_NS = 10 * NS_PER_S
_READ_EVERY_NS = 3600 * NS_PER_S
_PARTS = (ServiceKind.DESK, ServiceKind.WITNESS, ServiceKind.REPUBLISH)


class OwnFacts:
    """Follows them, for one thread.

    Args:
        config: of the desk.
        clock: the desk's.
    """

    def __init__(self, config: DeskConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        reading = clock.read()
        self._offset_ns = reading.t_utc_ns - reading.t_mono_ns
        self._since_mono_ns = reading.t_mono_ns
        self._is_listening = False
        self._own_ends: tuple[CertificateEnd, ...] = ()
        self._read_due_ns = reading.t_mono_ns

    def now(self, opened_mono_ns: int | None, broker_ends_us: int | None) -> DeskFacts:
        """What holds now.

        Args:
            opened_mono_ns: since when the broker hands over messages; None: it does not.
            broker_ends_us: when its certificate ends; None: it showed none.
        """
        reading = self._clock.read()
        offset_ns = reading.t_utc_ns - reading.t_mono_ns
        is_listening = opened_mono_ns is not None
        # After a step the times that are written down say nothing of how long ago that was.
        if is_listening != self._is_listening or abs(offset_ns - self._offset_ns) > _STEP_NS:
            self._since_mono_ns = reading.t_mono_ns
        if opened_mono_ns is not None:
            self._since_mono_ns = max(self._since_mono_ns, opened_mono_ns)
        self._is_listening, self._offset_ns = is_listening, offset_ns
        if reading.t_mono_ns >= self._read_due_ns:
            self._own_ends = self._read_ends()
            self._read_due_ns = reading.t_mono_ns + _READ_EVERY_NS
        broker = () if broker_ends_us is None else (CertificateEnd("broker", broker_ends_us),)
        since_ns = reading.t_utc_ns - (reading.t_mono_ns - self._since_mono_ns)
        return DeskFacts(is_listening, since_ns // NS_PER_US, (*self._own_ends, *broker))

    def _read_ends(self) -> tuple[CertificateEnd, ...]:
        """Of the parts whose files are on this machine and can be read."""
        ends = []
        for kind in _PARTS:
            try:
                files = service_tls(self._config, kind)
            except ConfigError:  # that part runs on another machine, or not at all
                continue
            if files is None or not Path(files.certificate_file).is_file():
                continue
            ends_us = certificate_ends_us(files)
            if ends_us is not None:
                ends.append(CertificateEnd(kind.value, ends_us))
        return tuple(ends)
