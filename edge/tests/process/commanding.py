"""A control room beside a running evidence: publish's part of commands, without a broker."""

import contextlib

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roeh.core.delivery import (
    AnswerBatch,
    AnswersDelivered,
    ConnectionBegin,
    ConnectionNumber,
    LeaseAnswers,
    TakeCommand,
)
from roeh.core.errors import PeerGone
from roeh.core.ipc.stream import StreamClient
from roeh.core.orders import Answer, Outcome
from roeh.core.paths import evidence_socket
from roeh.core.peers import Done, Role, Verb
from roeh.transport.signed import open_answer
from tests.clocks import SynchronisedClock
from tests.signing_desks import SigningDesk
from tests.waiting import wait_until

PATIENCE_S = 30.0
CLOCK = SynchronisedClock()


def desk_of(directory, site="harbour", node="pole"):
    """A desk, and the lines of node.toml that let a node believe it."""
    desk = SigningDesk(CLOCK, site=site, node=node)
    keys_file = directory / "desk.keys"
    keys_file.write_text(
        f"ack {desk.verifier.verifier_key}\ncommand {desk.verifier.verifier_key}\n"
    )
    return desk, f'[desk]\nkeys_file = "{keys_file}"\n'


class Commanding:
    """Hands commands to evidence and takes its answers, with a publish's patience."""

    def __init__(self, config, desk):
        self.desk = desk
        self._addressee = f"{config.node.site}/{config.node.name}"
        self._finals = {}
        self._client = StreamClient(evidence_socket(config), Role.PUBLISH, CLOCK)

    def close(self):
        self._client.close()

    def order(self, order, **fields):
        """A command, signed and taken."""
        return self.take(self.desk.command(order, **fields))

    def take(self, command):
        """As it came on `down/cmd`, however often before."""
        self._finals.pop(command.id, None)
        self._ask(Verb.COMMAND_TAKE, TakeCommand(self.desk.sign(command)), Done)
        return command

    def final(self, command):
        """(answer, picture) once the command is done or not; "accepted" is let go."""
        return wait_until(lambda: self._final(command), PATIENCE_S)

    def _final(self, command):
        lease = LeaseAnswers(known_rows=(), wait_s=0.0 if command.id in self._finals else 0.5)
        items = self._ask(Verb.ANSWERS_LEASE, lease, AnswerBatch).items
        for item in items:
            answer = self._read(item.statement)
            if answer.outcome is not Outcome.ACCEPTED:
                self._finals[answer.command_id] = answer, item.picture
        rows = tuple(item.row for item in items)
        self._ask(Verb.ANSWERS_DELIVERED, AnswersDelivered(rows), Done)
        return self._finals.get(command.id)

    def _read(self, statement):
        """The answer, verified with the key that the node itself names."""
        number = self._ask(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber)
        leaf, *_ = x509.load_pem_x509_certificates(number.log_chain_pem.encode())
        spki_der = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        opened = open_answer(statement, self._addressee, spki_der)
        return msgspec.json.decode(opened.body, type=Answer)

    def _ask(self, verb, request, answer_type):
        while True:
            with contextlib.suppress(PeerGone):
                return self._client.call(verb, request, answer_type)
            assert self._client.wait_until_there(PATIENCE_S)
