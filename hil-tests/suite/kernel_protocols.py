"""What the suite does to a pole whose kernel, disk and clock are its own."""

from __future__ import annotations

import abc
from typing import Literal

#: Of the board that the copy is put into; `own`: a twin with what the pole's own TPM holds, for
#: what must not be done to the pole itself.
Tpm = Literal["none", "another", "own"]


class TheftProtocol(abc.ABC):
    """A copy of the pole's disk in another board. The pole itself is off meanwhile."""

    @abc.abstractmethod
    def start(self, tpm: Tpm) -> None:
        """Boot the copy; the pole's address and shell are then the copy's."""

    @abc.abstractmethod
    def end(self) -> None:
        """The copy is off."""


class SerialProtocol(abc.ABC):
    """What kernel and systemd say before anybody can come in."""

    @abc.abstractmethod
    def said(self) -> str:
        """All since power came."""


class TimeServerProtocol(abc.ABC):
    """A time server that the pole reaches."""

    address: str

    @abc.abstractmethod
    def start(self) -> None:
        """It answers."""

    @abc.abstractmethod
    def stop(self) -> None:
        """It is gone."""
