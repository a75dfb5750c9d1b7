"""The node's retained state: birth, will, farewell, and who has the last word.

A broker keeps whatever comes last. The will of an older connection may come after the
birth of a newer one, so the number of the connection decides: readers ignore a lower
one, and the node speaks again when it sees itself contradicted.
"""

from __future__ import annotations

import msgspec

import roeh
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.delivery import ConnectionNumber
from roeh.core.errors import MessageRefused
from roeh.transport.messages import Incoming, Outgoing, StateMessage, parse_up, state_message
from roeh.transport.mqtt import Will
from roeh.transport.topics import Channel, Topic

WILL_DELAY_S = 15


class Presence:
    """What one connection says of the node."""

    def __init__(self, site: str, node: str, number: ConnectionNumber, clock: Clock) -> None:
        now = clock.read()
        self.topic = Topic(site, node, Channel.STATE)
        self._birth = StateMessage(
            site=site,
            node=node,
            online=True,
            connection_number=number.number,
            boot_id=now.boot_id,
            t_utc_us=now.t_utc_ns // NS_PER_US,
            software=roeh.__version__,
        )
        self._log_chain_pem = number.log_chain_pem

    @property
    def connection_number(self) -> int:
        """Number of this connection; greater than that of any before."""
        return self._birth.connection_number

    def will(self) -> Will:
        """What the broker is to say when the connection is lost for good."""
        offline = msgspec.structs.replace(self._birth, online=False)
        return Will(state_message(offline), WILL_DELAY_S)

    def birth(self) -> Outgoing:
        """The node is connected."""
        return state_message(
            msgspec.structs.replace(self._birth, log_chain_pem=self._log_chain_pem)
        )

    def farewell(self, clock: Clock) -> Outgoing:
        """The node ends on purpose."""
        now_us = clock.read().t_utc_ns // NS_PER_US
        return state_message(msgspec.structs.replace(self._birth, online=False, t_utc_us=now_us))

    def contradicted_by(self, incoming: Incoming) -> bool:
        """Whether what the broker keeps says less than the truth: speak again."""
        kept = self._kept(incoming)
        if kept is None:
            return True
        if kept.connection_number > self.connection_number:
            return False  # not ours to overrule; see `overruled_by`
        return kept.connection_number < self.connection_number or not kept.online

    def overruled_by(self, incoming: Incoming) -> int | None:
        """The higher number that the broker keeps, if there is one.

        Then readers ignore this connection: two nodes have one name, or the node's
        database was restored from a copy that is older than the broker's memory.
        """
        kept = self._kept(incoming)
        if kept is None or kept.connection_number <= self.connection_number:
            return None
        return kept.connection_number

    def _kept(self, incoming: Incoming) -> StateMessage | None:
        try:
            message = parse_up(self.topic, incoming)
        except MessageRefused:
            return None
        return message if isinstance(message, StateMessage) else None
