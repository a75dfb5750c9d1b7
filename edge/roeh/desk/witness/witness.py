"""The witness: every ledger it has seen, and the alarms that stand. No network.

A history is verified from its first line before anything is done with it: a second for a
pole's year. So at the start only those that have evidence of an alarm are read; each other when
its ledger's next checkpoint comes, or when there is nothing else to do.
"""

from __future__ import annotations

from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.errors import EvidenceRefused, HistoryForked, one_line
from roeh.core.log import log_error, log_for
from roeh.desk.witness.alarm import MAX_DETAIL_CHARS, StandingAlarm, TreeSaid
from roeh.desk.witness.claims import Claim, parse_claim
from roeh.desk.witness.entries import AlarmEntry, AlarmKind
from roeh.desk.witness.evidence import write_evidence
from roeh.desk.witness.history import SUFFIX, History, history_path
from roeh.desk.witness.judging import tree_of
from roeh.desk.witness.key import WitnessKeys
from roeh.desk.witness.ledger import Counts, WitnessedLedger
from roeh.desk.witness.seal import Seal
from roeh.desk.witness.trust import judge_key
from roeh.keys.chain import SigningTime, TrustAnchors
from roeh.keys.signer import NodeName
from roeh.transport.messages import CheckpointMessage

HISTORIES = "ledgers"
EVIDENCE = "alarms"
#: Ledgers beyond these are not begun: their names come from the network.
MAX_LEDGERS = 10_000
#: Three certificates take a quarter of it.
MAX_CHAIN_CHARS = 8192
#: So many checkpoints in a row that cannot be proven are an alarm.
UNPROVEN_CHECKPOINTS = 12

_LOG = log_for("witness")


class Witness:
    """Sees every ledger and cosigns what only ever continues.

    Args:
        state_dir: of this witness alone.
        keys: what it signs with.
        anchors: the roots whose poles it trusts; None: the first key of each is pinned.
        clock: of this machine.
        may_be_unsynchronised: cosign although this machine's clock is not known to be right.

    Raises:
        StorageFailed: its state cannot be read.
    """

    def __init__(
        self,
        state_dir: Path,
        keys: WitnessKeys,
        anchors: TrustAnchors | None,
        clock: Clock,
        *,
        may_be_unsynchronised: bool = False,
    ) -> None:
        self.counts = Counts()
        self._directory = state_dir / HISTORIES
        self._evidence = state_dir / EVIDENCE
        self._keys = keys
        self._anchors = anchors
        self._seal = Seal(keys, clock, may_be_unsynchronised=may_be_unsynchronised)
        self._announced: dict[NodeName, str] = {}
        self._ledgers: dict[NodeName, WitnessedLedger] = {}
        self._damaged: dict[NodeName, StandingAlarm] = {}
        self._told: set[NodeName] = set()
        #: Histories that were not read since the start.
        self._unread: dict[NodeName, None] = {}
        for path in (self._directory, self._evidence):
            path.mkdir(parents=True, exist_ok=True)
        alarmed = {path.name.rpartition(".")[0] for path in self._evidence.iterdir()}
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            ledger = path.name.removesuffix(SUFFIX)
            site, _, node = ledger.partition(".")
            name = NodeName(site, node)
            self._unread[name] = None
            if ledger in alarmed:
                self._known(name)

    def close(self) -> None:
        """Let go of the files."""
        for ledger in self._ledgers.values():
            ledger.history.close()
        self._ledgers.clear()

    @property
    def ledgers(self) -> int:
        """How many it has seen."""
        return len(self._ledgers) + len(self._unread)

    @property
    def is_read(self) -> bool:
        """Whether every history was read since the start, so that all alarms are known."""
        return not self._unread

    def read_next(self) -> None:
        """Read one of the histories that were not read yet."""
        for name in self._unread:
            self._known(name)
            return

    def announce(self, name: NodeName, chain_pem: str) -> None:
        """A pole says whose key signs its ledger; believed once something is signed by it."""
        is_known = name in self._announced or name in self._ledgers or name in self._unread
        if len(chain_pem) <= MAX_CHAIN_CHARS and (is_known or len(self._announced) < MAX_LEDGERS):
            self._announced[name] = chain_pem

    def take(self, message: CheckpointMessage) -> str | None:
        """A checkpoint that is to be cosigned.

        Returns:
            The note to send back, with this witness's line; None: nothing is to be said.

        Raises:
            StorageFailed: what was seen could not be made durable; nothing is cosigned.
        """
        name = NodeName(message.site, message.node)
        if message.log_chain_pem:
            self.announce(name, message.log_chain_pem)
        try:
            claim = parse_claim(name, message.note, message.from_size, message.hashes)
            ledger = self._known(name) or self._begun(claim)
            if ledger is None:
                self.counts.refused += 1
                return None
            cosigned = ledger.take(claim, self._announced.get(name, ""))
            self._write_evidence(ledger)
        except EvidenceRefused as error:
            self.counts.refused += 1
            self._tell_once(name, str(error))
        except HistoryForked as error:
            self._give_up(name, error)
        else:
            return cosigned
        return None

    def take_riding(self, name: NodeName, note: str) -> None:
        """A checkpoint that came with a heartbeat or an alert: looked at, never cosigned.

        Of a ledger whose history is not read yet it is passed over: the next one comes soon.

        Raises:
            StorageFailed: an alarm could not be written down.
        """
        ledger = self._ledgers.get(name)
        if ledger is None:
            return
        try:
            ledger.take_riding(parse_claim(name, note))
            self._write_evidence(ledger)
        except EvidenceRefused as error:
            self._tell_once(name, str(error))
        except HistoryForked as error:
            self._give_up(name, error)

    def alarms(self) -> tuple[StandingAlarm, ...]:
        """All that stand, by ledger, so far as histories are read."""
        found = list(self._damaged.values())
        for name, ledger in self._ledgers.items():
            found += [said(str(name), entry) for entry in ledger.history.known.alarms]
            if ledger.unproven >= UNPROVEN_CHECKPOINTS:
                found.append(_unproven(ledger))
        return tuple(sorted(found, key=lambda alarm: (alarm.ledger, alarm.t_utc_us)))

    def refresh(self) -> None:
        """Read what a person accepted in the meantime, where an alarm stands.

        Raises:
            StorageFailed: it cannot be read.
        """
        for name, ledger in list(self._ledgers.items()):
            if ledger.history.known.alarms:
                try:
                    with ledger.history.locked():
                        pass
                except HistoryForked as error:
                    self._give_up(name, error)

    def _known(self, name: NodeName) -> WitnessedLedger | None:
        """A ledger that was seen before, its history read now if it was not yet."""
        if name in self._unread:
            del self._unread[name]
            return self._open(name)
        return self._ledgers.get(name)

    def _begun(self, claim: Claim) -> WitnessedLedger | None:
        """A ledger's first checkpoint, whose key may be believed; None: not that."""
        name = claim.name
        if name in self._damaged or self.ledgers >= MAX_LEDGERS:
            return None
        now = self._seal.now()
        chain = self._announced.get(name, "")
        trust = judge_key(chain, None, name, self._anchors, SigningTime(now.t_utc_us, now.error_us))
        if trust.taken is None or not claim.is_signed_by(trust.offered):
            self._tell_once(name, trust.reason if chain else "nobody said yet whose key signs it")
            return None
        return self._open(name)

    def _open(self, name: NodeName) -> WitnessedLedger | None:
        path = history_path(self._directory, name.site, name.node)
        try:
            history = History(path)
            if history.known.lines and history.known.origin != f"roeh/{name}":
                history.close()
                raise HistoryForked(
                    what=f"it is the history of {history.known.origin}",
                    which=str(path),
                    remedy="give the file its own name again",
                )
        except HistoryForked as error:
            self._give_up(name, error)
            return None
        if history.torn_bytes:
            _LOG.warning(
                "%s: its last line was not finished when this machine stopped (%d bytes):"
                " nothing had been signed for it",
                name,
                history.torn_bytes,
            )
        ledger = WitnessedLedger(
            name,
            history,
            seal=self._seal,
            anchors=self._anchors,
            counts=self.counts,
            witness=self._keys.name,
        )
        self._ledgers[name] = ledger
        self._write_evidence(ledger)
        return ledger

    def _write_evidence(self, ledger: WitnessedLedger) -> None:
        """Files of every alarm that stands; a crash before them is made good here."""
        known = ledger.history.known
        for alarm in known.alarms:
            kept_chain = known.key.chain_pem if known.key else ""
            directory = evidence_path(self._evidence, ledger.name, alarm)
            write_evidence(directory, str(ledger.name), alarm, kept_chain=kept_chain)

    def _give_up(self, name: NodeName, error: HistoryForked) -> None:
        """This ledger's history cannot be relied on: nothing of it is cosigned."""
        log_error(_LOG, error)
        ledger = self._ledgers.pop(name, None)
        if ledger is not None:
            ledger.history.close()
        self._damaged[name] = StandingAlarm(
            ledger=str(name),
            alarm=AlarmKind.STATE_DAMAGED,
            t_utc_us=self._seal.now().t_utc_us,
            detail=one_line(error.what)[:MAX_DETAIL_CHARS],
        )

    def _tell_once(self, name: NodeName, why: str) -> None:
        if name not in self._told and len(self._told) < MAX_LEDGERS:
            self._told.add(name)
            _LOG.warning("%s: not cosigned: %s", name, one_line(why))


def evidence_path(directory: Path, name: NodeName, alarm: AlarmEntry) -> Path:
    """Where the files of an alarm lie; named by the line before, it is of this one alone."""
    return directory / f"{name.site}.{name.node}.{alarm.before[:16]}"


def said(ledger: str, entry: AlarmEntry) -> StandingAlarm:
    """An alarm's line as it is told."""
    return StandingAlarm(
        ledger=ledger,
        alarm=entry.alarm,
        t_utc_us=entry.time.t_utc_us,
        detail=one_line(entry.detail)[:MAX_DETAIL_CHARS],
        kept=_tree_said(entry.kept),
        claimed=_tree_said(entry.claimed),
    )


def _tree_said(note: str) -> TreeSaid | None:
    if not note:
        return None
    tree = tree_of(note)
    return TreeSaid(tree.size, tree.root.hex())


def _unproven(ledger: WitnessedLedger) -> StandingAlarm:
    last = ledger.history.known.last
    return StandingAlarm(
        ledger=str(ledger.name),
        alarm=AlarmKind.UNPROVEN,
        t_utc_us=last.t_utc_us if last else 0,
        detail=f"{UNPROVEN_CHECKPOINTS} checkpoints or more came without a proof from the tree"
        " seen last, though it was asked for: its ledger may be another one, or the pole does not"
        " know this witness's key",
    )
