"""One connection to the broker, from dialling to its end, and the presence said on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from roeh.core.clock import NS_PER_S, Clock
from roeh.publish.presence import Presence
from roeh.transport.messages import Incoming, Outgoing
from roeh.transport.mqtt import Acknowledged, BrokerEvent, Session, Will
from roeh.transport.topics import down_filter

#: At most one repeated birth in this time, should something keep contradicting it.
_BIRTH_AGAIN_S = 1.0


class Connection(Protocol):
    """One connection to a broker (transport.mqtt.MqttConnection)."""

    def open_soon(self) -> None:
        """Dial without waiting; Opened or NotOpened is handed over."""
        ...

    def publish(self, message: Outgoing) -> int:
        """Send; the packet id comes back in Acknowledged."""
        ...

    def subscribe(self, topic_filter: str) -> None:
        """Ask for messages."""
        ...

    def close(self) -> None:
        """End politely."""
        ...

    def abandon(self) -> None:
        """End at once."""
        ...


#: A new connection with this will; what happens on it goes to the callback.
Connect = Callable[[Will, Callable[[BrokerEvent], None]], Connection]


class Link:
    """A connection and the presence that belongs to it."""

    def __init__(
        self, connection: Connection, presence: Presence, clock: Clock, *, has_desk: bool
    ) -> None:
        self.connection = connection
        self.presence = presence
        self.session: Session | None = None
        self._clock = clock
        self._has_desk = has_desk
        self._opened_ns = 0
        self._birth_ns = 0
        self._birth_packet: int | None = None
        self._birth_owed = False
        self._subscribed = False

    def opened(self, session: Session) -> None:
        """The broker took us in: say so to everybody."""
        self.session = session
        self._opened_ns = self._clock.mono_ns()
        if self._has_desk:
            # Before any row goes: an acknowledgement of one must not come too early.
            topic = self.presence.topic
            self.connection.subscribe(down_filter(topic.site, topic.node))
        self._say_birth()

    def lasted_s(self) -> float:
        """How long it has been open."""
        if self.session is None:
            return 0.0
        return (self._clock.mono_ns() - self._opened_ns) / NS_PER_S

    def silent_since_ns(self) -> int | None:
        """Since when the broker owes the answer to a birth; None when it does not."""
        return None if self._birth_packet is None else self._birth_ns

    def is_birth(self, event: Acknowledged) -> bool:
        """Whether this answers the birth; then the node's own state is read from now on."""
        if event.packet_id != self._birth_packet:
            return False
        self._birth_packet = None
        if not self._subscribed:
            # After the birth, so that the first thing read is not the state before.
            self._subscribed = True
            self.connection.subscribe(str(self.presence.topic))
        return True

    def read_own_state(self, incoming: Incoming) -> int | None:
        """What the broker keeps of us; a birth is owed if that says less.

        Returns:
            The number of a later connection, if the broker knows one.
        """
        higher = self.presence.overruled_by(incoming)
        if higher is None and self.presence.contradicted_by(incoming):
            self._birth_owed = True
        return higher

    def birth_due_ns(self) -> int | None:
        """When the birth has to be said again; None: it has not."""
        if not self._birth_owed or self._birth_packet is not None:
            return None
        return self._birth_ns + int(_BIRTH_AGAIN_S * NS_PER_S)

    def repeat_birth_when_due(self) -> None:
        """Say it again if it is time."""
        due_ns = self.birth_due_ns()
        if due_ns is not None and due_ns <= self._clock.mono_ns():
            self._say_birth()

    def _say_birth(self) -> None:
        self._birth_owed = False
        self._birth_ns = self._clock.mono_ns()
        self._birth_packet = self.connection.publish(self.presence.birth())
