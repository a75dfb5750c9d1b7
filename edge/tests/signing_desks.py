"""A control room that signs commands, without a database or a broker."""

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.clock import NS_PER_US
from roeh.core.ids import ClockIds
from roeh.core.orders import Answer, Command, HoldOrder, ResendOrder, SeqRange
from roeh.transport.desk_keys import DeskKeys
from roeh.transport.signed import DeskKey, StatementKind, open_answer, sign_statement

MINUTE_US = 60_000_000
RESEND = ResendOrder(ranges=(SeqRange(1, 3),))


class SigningDesk:
    """Gives orders to one node, whose clock it shares."""

    def __init__(self, clock, site="harbour", node="pole-7", name="haifa-command"):
        self.clock = clock
        self.site, self.node, self.name = site, node, name
        self.key = ed25519.Ed25519PrivateKey.generate()
        self.ids = ClockIds(clock)

    @property
    def verifier(self):
        return DeskKey(self.name, self.key.public_key().public_bytes_raw())

    @property
    def keys(self):
        return DeskKeys(command=(self.verifier,))

    def command(self, order, **fields):
        """Valid from a minute ago for ten minutes, in this boot."""
        now = self.clock.read()
        now_us = now.t_utc_ns // NS_PER_US
        given = {
            "id": self.ids.new(),
            "site": self.site,
            "node": self.node,
            "operator": "a.visser",
            "not_before_utc_us": now_us - MINUTE_US,
            "expires_utc_us": now_us + 10 * MINUTE_US,
            "boot_id": now.boot_id,
            "order": order,
        }
        return Command(**{**given, **fields})

    def sign(self, command, kind=StatementKind.COMMAND, key=None, addressee=None):
        """The statement as it comes on `down/cmd`."""
        return sign_statement(
            kind,
            addressee or f"{self.site}/{self.node}",
            msgspec.json.encode(command),
            name=self.name,
            key=key or self.key,
        )

    def read(self, statement, spki_der):
        """The answer in a node's statement, verified."""
        opened = open_answer(statement, f"{self.site}/{self.node}", spki_der)
        return msgspec.json.decode(opened.body, type=Answer)

    def hold(self, from_s, to_s, cameras=(), reason="case 7"):
        """Of a stretch of seconds before now."""
        now_us = self.clock.read().t_utc_ns // NS_PER_US
        return HoldOrder(
            camera_ids=cameras,
            from_utc_us=now_us + from_s * 1_000_000,
            to_utc_us=now_us + to_s * 1_000_000,
            reason=reason,
        )
