"""What the suite can do to a pole from outside; each tier has drivers of its own for them."""

from __future__ import annotations

import abc


class LinkProtocol(abc.ABC):
    """The link between a pole and its control room."""

    @abc.abstractmethod
    def cut(self) -> None:
        """No packet passes any more, in silence; what is cut already stays cut."""

    @abc.abstractmethod
    def mend(self) -> None:
        """Everything passes again; a whole link stays whole."""


class CameraProtocol(abc.ABC):
    """The pole's camera and what it sees: footage of people that goes on for ever."""

    @abc.abstractmethod
    def plug(self) -> None:
        """It is there and gives pictures; a camera that is there stays as it is."""

    @abc.abstractmethod
    def unplug(self) -> None:
        """It gives nothing more, and cannot be opened."""


class ClockProtocol(abc.ABC):
    """The pole's clock, which nothing disciplines while it is stepped."""

    @abc.abstractmethod
    def step(self, seconds: float) -> None:
        """Set it so much further, or back."""

    @abc.abstractmethod
    def release(self) -> None:
        """Right again, and disciplined again."""


class DiskProtocol(abc.ABC):
    """The room where the pole keeps its evidence."""

    @abc.abstractmethod
    def fill(self, leave_bytes: int) -> None:
        """Take all of the room but so much."""

    @abc.abstractmethod
    def free(self) -> None:
        """Give it back; free already: nothing."""


class HeatProtocol(abc.ABC):
    """How hot the board is, as it tells itself."""

    @abc.abstractmethod
    def heat(self, temperature_c: float) -> None:
        """So hot, and slowed because of it."""

    @abc.abstractmethod
    def cool(self) -> None:
        """As it was."""


class ProvisionProtocol(abc.ABC):
    """Brings a booted pole, and its control room, to where the inventory wants them."""

    @abc.abstractmethod
    def provision(self) -> None:
        """From whatever is there; a pole that is provisioned stays as it is."""

    @abc.abstractmethod
    def decommission(self) -> None:
        """Take the pole out of the city for good."""


class MeterProtocol(abc.ABC):
    """What a bench measures of a board."""

    @abc.abstractmethod
    def read(self, figure: str) -> float:
        """A figure of suite/budgets.toml that only a board has, in its unit."""


class WritesProtocol(abc.ABC):
    """The writes that reach the pole's disk."""

    @abc.abstractmethod
    def wait_for(self, count: int) -> None:
        """Return in the middle of what is being written, so many writes from now."""
