"""Evidence's side of commands on a store of its own, driven without threads or sockets."""

from roeh.core.config import parse_config
from roeh.core.delivery import AnswersDelivered, LeaseAnswers, OrderDone, TakeCommand, TakeOrders
from roeh.core.peers import Role, Verb
from roeh.evidence.commands import CommandParts, Commands
from roeh.evidence.outputs import Outputs
from roeh.ledger.names import NameBook
from roeh.ledger.records import CommandRecord, OutcomeRecord
from tests.ledgers import FileLogKey
from tests.rings import Ring
from tests.signing_desks import SigningDesk

NODE = """
[node]
site = "harbour"
name = "pole-7"
[[sensors]]
name = "north"
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
[[zones]]
name = "street"
bearing_from_deg = 270.0
bearing_to_deg = 90.0
range_to_m = 30.0
[[rules]]
kind = "zone_entry"
name = "gate"
zone = "street"
"""


class CommandedNode:
    """A node that believes one desk; `restart` is a new start of evidence."""

    def __init__(self, directory, clock=None, key=None, keys=None, more="", **settings):
        self.more = more
        self.ring = Ring(directory, clock, **settings)
        self.clock = self.ring.clock
        self.desk = SigningDesk(self.clock)
        self.key = key or FileLogKey()
        self.keys = keys or (lambda: self.desk.keys)
        self.refused = []
        self.is_ending = False
        self.resent = []
        self.names = NameBook(directory / "names.db")
        self._start()

    def _start(self):
        config = parse_config(NODE + self.more, name="node.toml")
        self.outputs = Outputs(
            config, self.clock, self.ring.database, self.ring.log, self.ring.age.now_us
        )
        self.commands = Commands(
            CommandParts(
                config=config,
                clock=self.clock,
                database=self.ring.database,
                log=self.ring.log,
                holds=self.ring.holds,
                names=self.names,
                outputs=self.outputs,
                signer=self.key,
                keys=self.keys,
                resend=self._resend,
                refuse=self.refused.append,
                restart=self._restart,
            )
        )
        self.commands.sweep()

    def _resend(self, ranges):
        self.resent.append(ranges)
        return self.ring.store.resend(ranges)

    def _restart(self):
        self.is_ending = True

    def restart(self):
        self.is_ending = False
        self.commands.close()
        self.ring.reopen()
        self._start()

    def close(self):
        self.commands.close()
        self.names.close()
        self.ring.close()

    def take(self, command):
        """As publish hands it on; the command."""
        self.give(self.desk.sign(command))
        return command

    def order(self, order, **fields):
        """Signed by the desk and taken; the command."""
        return self.take(self.desk.command(order, **fields))

    def give(self, statement):
        self.commands.answerers[Verb.COMMAND_TAKE](TakeCommand(statement))

    def leased(self, *known):
        """What publish is given to send."""
        request = LeaseAnswers(known_rows=known, wait_s=0.0)
        return self.commands.answerers[Verb.ANSWERS_LEASE](request).items

    def deliver(self):
        """Every answer that waits goes out; they are read as the desk reads them."""
        items = self.leased()
        rows = tuple(item.row for item in items)
        self.commands.answerers[Verb.ANSWERS_DELIVERED](AnswersDelivered(rows))
        return [self.desk.read(item.statement, self.key.spki_der) for item in items]

    def said(self):
        """Outcome and reason of each answer that waits, which is then delivered."""
        return [(answer.outcome.value, answer.reason) for answer in self.deliver()]

    def orders(self, role=Role.DETECT, after=0):
        """What a process is given."""
        request = TakeOrders(after=after, wait_s=0.0)
        return self.commands.role_answerers[Verb.ORDERS_TAKE](role, request).items

    def done(self, role, row, outcome, reason="", picture=None):
        request = OrderDone(row=row, outcome=outcome, reason=reason, picture=picture)
        self.commands.role_answerers[Verb.ORDER_DONE](role, request)

    def recorded(self):
        """What the ledger says of commands, in order."""
        found = []
        for envelope in self.ring.envelopes():
            body = envelope.body
            if isinstance(body, CommandRecord):
                found.append((body.id, body.outcome, body.reason))
            elif isinstance(body, OutcomeRecord):
                found.append((body.command_id, body.outcome, body.reason))
        return found
