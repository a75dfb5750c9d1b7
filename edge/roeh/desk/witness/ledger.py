"""One ledger as a witness sees it: checkpoints in, cosignatures and alarms out.

Order for a checkpoint: verify that the ledger's key signed it; judge it; write down what was
seen and sync; only then give the cosignature back. A cosignature is always made of a line of
the history, with the time that stands there, so that said twice it is the same.
"""

from __future__ import annotations

import base64
from collections import OrderedDict

import msgspec

from roeh.core.errors import one_line
from roeh.core.log import log_for
from roeh.desk.witness.claims import Claim
from roeh.desk.witness.entries import (
    AlarmEntry,
    AlarmKind,
    BeganEntry,
    HeardEntry,
    KeyEntry,
    Known,
    SeenEntry,
    SeenTree,
)
from roeh.desk.witness.history import History
from roeh.desk.witness.judging import (
    CONTRADICTIONS,
    Finding,
    Judgement,
    Tree,
    judge,
    judge_riding,
)
from roeh.desk.witness.seal import Seal
from roeh.desk.witness.trust import KeyTrust, LogKey, Standing, judge_key
from roeh.keys.chain import SigningTime, TrustAnchors
from roeh.keys.signer import NodeName
from roeh.ledger.note import ecdsa_key_id

_MAX_RIDING = 64
_LOG = log_for("witness")
_ALARMS = {
    Finding.TWO_ROOTS: AlarmKind.TWO_ROOTS,
    Finding.NOT_CONTINUED: AlarmKind.NOT_CONTINUED,
    Finding.SHRUNK: AlarmKind.SHRUNK,
}


class Counts(msgspec.Struct):
    """What a witness did since its start."""

    cosigned: int = 0
    repeated: int = 0
    refused: int = 0
    alarms: int = 0


class WitnessedLedger:
    """What is seen of one ledger.

    Args:
        name: the node whose it is.
        history: open; its first line is written here.
        seal: cosigns.
        anchors: the roots whose poles are trusted; None: the first key is pinned.
        counts: of the whole witness.
        witness: its name.
    """

    def __init__(
        self,
        name: NodeName,
        history: History,
        *,
        seal: Seal,
        anchors: TrustAnchors | None,
        counts: Counts,
        witness: str,
    ) -> None:
        self.name = name
        self.history = history
        #: So many checkpoints in a row came with a proof from another tree.
        self.unproven = 0
        self._seal = seal
        self._anchors = anchors
        self._counts = counts
        self._told = ""
        #: Notes that came with heartbeats and alerts, newer than the last tree.
        self._riding: OrderedDict[Tree, str] = OrderedDict()
        with history.locked() as known:
            if not known.lines:
                time, origin = seal.now(), f"roeh/{name}"
                history.append(
                    lambda before: BeganEntry(
                        before=before, time=time, origin=origin, witness=witness
                    )
                )

    def take(self, claim: Claim, chain_pem: str) -> str | None:
        """A checkpoint that is to be cosigned.

        Args:
            claim: as it came.
            chain_pem: of the key that the pole says to sign with; empty: it has not said.

        Returns:
            The note to send back, with this witness's line; None: nothing is to be said.

        Raises:
            HistoryForked: the witness's own history is damaged.
            StorageFailed: what was seen could not be made durable; nothing is cosigned.
        """
        with self.history.locked() as known:
            if known.is_stopped:
                self._refuse("an alarm stands (see roeh desk witness)")
                return None
            key = self._signing_key(known, claim, chain_pem)
            if key is None:
                return None
            note = claim.note_by(key.spki_der)
            judgement = judge(
                claim.tree,
                claim.proof,
                last=known.last.tree if known.last else None,
                signed=(*self.history.trees(claim.tree.size), *self._riding),
            )
            return self._act_on(judgement, known, claim, note)

    def take_riding(self, claim: Claim) -> None:
        """A checkpoint that came with a heartbeat or an alert: looked at, never cosigned.

        Raises:
            HistoryForked, StorageFailed: as `take`.
        """
        if claim.tree in self._riding:
            return
        with self.history.locked() as known:
            key = known.key
            if known.is_stopped or key is None or not claim.is_signed_by(key.spki_der):
                return
            note = claim.note_by(key.spki_der)
            same = (*known.recent(claim.tree.size), *self._riding)
            against = judge_riding(claim.tree, same)
            if against is not None:
                self._alarm(Judgement(Finding.TWO_ROOTS, against), known, claim, note)
            elif known.last is None or claim.tree.size > known.last.tree.size:
                self._riding[claim.tree] = note
                if len(self._riding) > _MAX_RIDING:
                    self._riding.popitem(last=False)

    def _act_on(self, judgement: Judgement, known: Known, claim: Claim, note: str) -> str | None:
        finding = judgement.finding
        if finding in CONTRADICTIONS:
            self._alarm(judgement, known, claim, note)
            return None
        if finding is Finding.OLD_NEWS:
            return None
        if finding is Finding.OTHER_PROOF and known.last is not None:
            self._hear(known, claim.tree, note)
            repeated = self._repeat(known, known.last)
            # Only a pole that was told from where can be asked for a proof.
            self.unproven += repeated is not None
            return repeated
        self.unproven = 0
        if finding is Finding.SAME and known.last is not None:
            return self._repeat(known, known.last)
        return self._see(known, claim.tree, note)

    def _see(self, known: Known, tree: Tree, note: str) -> str | None:
        """Write down that this tree counts now, then cosign it."""
        time = self._seal.now()
        cosigned_s = self._seal.time_s(time)
        if cosigned_s is None and known.last is not None and known.last.tree == tree:
            return None
        self.history.append(
            lambda before: SeenEntry(
                before=before,
                time=time,
                size=tree.size,
                root=tree.root.hex(),
                note=note,
                cosigned_s=cosigned_s,
            )
        )
        for passed in [riding for riding in self._riding if riding.size <= tree.size]:
            del self._riding[passed]
        self._told = ""
        if cosigned_s is None:
            return None
        self._counts.cosigned += 1
        return self._seal.cosigned(note, cosigned_s)

    def _hear(self, known: Known, tree: Tree, note: str) -> None:
        """Write down that this tree was signed, though nothing shows that it continues."""
        if tree in known.recent(tree.size):
            return
        time = self._seal.now()
        self.history.append(
            lambda before: HeardEntry(
                before=before, time=time, size=tree.size, root=tree.root.hex(), note=note
            )
        )

    def _repeat(self, known: Known, last: SeenTree) -> str | None:
        """Cosign the tree seen last once more, or now, if the time was not known then."""
        if last.cosigned_s is None:
            return self._see(known, last.tree, last.note)
        self._counts.repeated += 1
        return self._seal.cosigned(last.note, last.cosigned_s)

    def _signing_key(self, known: Known, claim: Claim, chain_pem: str) -> LogKey | None:
        """The believed key that signed this; None: none did. A new one is written down."""
        believed = known.key
        offered = self._judge_key(believed, chain_pem)
        if believed is not None and claim.is_signed_by(believed.spki_der):
            if offered.offered != believed.spki_der:
                offered = self._judge_key(believed, believed.chain_pem)
            if offered.is_over:
                self._refuse(offered.reason)
                return None
            return self._take_key(offered) if offered.taken is not None else believed
        if offered.taken is not None and claim.is_signed_by(offered.offered):
            return self._take_key(offered)
        if offered.is_change and claim.is_signed_by(offered.offered):
            self._alarm_key(known, claim, offered, chain_pem)
        self._refuse(offered.reason or "it is not signed by the ledger's key")
        return None

    def _judge_key(self, believed: LogKey | None, chain_pem: str) -> KeyTrust:
        now = self._seal.now()
        return judge_key(
            chain_pem, believed, self.name, self._anchors, SigningTime(now.t_utc_us, now.error_us)
        )

    def _take_key(self, trust: KeyTrust) -> LogKey | None:
        key = trust.taken
        if key is None:
            return None
        time = self._seal.now()
        spki = base64.b64encode(key.spki_der).decode("ascii")
        self.history.append(
            lambda before: KeyEntry(
                before=before,
                time=time,
                spki=spki,
                chain_pem=key.chain_pem,
                standing=key.standing,
                reason=trust.reason,
            )
        )
        say = _LOG.info if key.standing is Standing.VOUCHED else _LOG.warning
        key_id = ecdsa_key_id(key.spki_der).hex()
        say("%s: key %s from now on: %s", self.name, key_id, one_line(trust.reason))
        return key

    def _alarm(self, judgement: Judgement, known: Known, claim: Claim, note: str) -> None:
        against = judgement.against
        kept, detail = "", f"{claim.tree.size} records are signed: {judgement.finding.value}"
        if against is not None:
            kept = self.history.note_of(against) or self._riding.get(against, "")
            detail += f" ({against.size} records)"
        chain_pem = known.key.chain_pem if known.key else ""
        self._write_alarm(
            _ALARMS[judgement.finding], claim, note, kept=kept, chain_pem=chain_pem, detail=detail
        )

    def _alarm_key(self, known: Known, claim: Claim, trust: KeyTrust, chain_pem: str) -> None:
        """Another key signs: written down once, until a person accepts it."""
        for alarm in known.alarms:
            if alarm.alarm is AlarmKind.KEY_CHANGED and alarm.chain_pem == chain_pem:
                return
        key_id = ecdsa_key_id(trust.offered).hex()
        detail = f"the key {key_id} signs now: {trust.reason}"
        note = claim.note_by(trust.offered)
        self._write_alarm(
            AlarmKind.KEY_CHANGED, claim, note, kept="", chain_pem=chain_pem, detail=detail
        )

    def _write_alarm(
        self,
        kind: AlarmKind,
        claim: Claim,
        note: str,
        *,
        kept: str,
        chain_pem: str,
        detail: str,
    ) -> None:
        time = self._seal.now()
        hashes = tuple(base64.b64encode(step).decode("ascii") for step in claim.proof.hashes)
        self.history.append(
            lambda before: AlarmEntry(
                before=before,
                time=time,
                alarm=kind,
                kept=kept,
                claimed=note,
                from_size=claim.proof.from_size,
                hashes=hashes,
                chain_pem=chain_pem,
                detail=detail,
            )
        )
        self._counts.alarms += 1
        _LOG.error("%s: ALARM %s: %s", self.name, kind.value, one_line(detail))

    def _refuse(self, why: str) -> None:
        """Nothing is said to the pole; the log says why, once."""
        self._counts.refused += 1
        if why != self._told:
            self._told = why
            _LOG.warning("%s: not cosigned: %s", self.name, one_line(why))
