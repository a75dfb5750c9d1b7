"""`roeh desk witness`: what this witness has seen, and a person's word on an alarm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from roeh.core.clock import NS_PER_US, Clock, SystemClock
from roeh.core.config import load_desk_config
from roeh.core.errors import (
    EXIT_OK,
    AlarmRefused,
    ChecksFailed,
    HistoryForked,
    StorageFailed,
    one_line,
)
from roeh.core.moments import utc_text
from roeh.desk.commands import Adder
from roeh.desk.witness.accepting import accept_key, accept_tree, open_history
from roeh.desk.witness.alarm import StandingAlarm
from roeh.desk.witness.entries import AlarmKind, WitnessTime
from roeh.desk.witness.history import SUFFIX, History
from roeh.desk.witness.judging import Tree
from roeh.desk.witness.witness import EVIDENCE, HISTORIES, evidence_path, said
from roeh.keys.signer import NodeName
from roeh.ledger.merkle import HASH_BYTES
from roeh.ledger.note import ecdsa_key_id


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness knows of one ledger, for a machine.

    Attributes:
        size: records of the tree that counts now.
        root: its, hexadecimal.
        t_utc_us: when it was seen.
        cosigned: whether this witness said when it had seen it.
        key_id: of the key that signs the ledger, hexadecimal; `standing` says why it is believed.
        alarms: those that stand.
        evidence: directories of them.
        damage: why the witness's own history cannot be relied on; empty when it can.
    """

    ledger: str
    size: int | None = None
    root: str | None = None
    t_utc_us: int | None = None
    cosigned: bool = False
    key_id: str | None = None
    standing: str | None = None
    alarms: tuple[StandingAlarm, ...] = ()
    evidence: tuple[str, ...] = ()
    damage: str = ""


def add_actions(add: Adder) -> None:
    """Look at a witness, or accept."""
    parser = add("witness", _witness, "What the witness of this machine has seen; its alarms.")
    parser.add_argument(
        "what",
        nargs="?",
        choices=("list", "accept"),
        default="list",
        help="accept: a person says which tree, or key, counts after an alarm",
    )
    parser.add_argument("ledger", nargs="?", metavar="SITE/NODE", help="the ledger to accept of")
    parser.add_argument("--size", type=int, metavar="N", help="records of the tree that counts")
    parser.add_argument("--root", metavar="HEX", help="its root")
    parser.add_argument("--key", metavar="HEX", help="or the id of the key that counts")
    parser.add_argument("--person", default="", metavar="NAME", help="who says so")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; the case's number")
    parser.add_argument("--json", action="store_true", help="one JSON line a ledger")


def _witness(chosen: argparse.Namespace) -> int:
    state_dir = Path(load_desk_config(chosen.config).witness.state_dir)
    if chosen.what == "accept":
        return _accept(chosen, state_dir, SystemClock())
    return print_ledgers(state_dir, as_json=chosen.json, out=sys.stdout)


def print_ledgers(state_dir: Path, *, as_json: bool, out: IO[str]) -> int:
    """One line a ledger, and one an alarm.

    Raises:
        ChecksFailed: an alarm stands, or a history is damaged.
    """
    found = list(read_ledgers(state_dir))
    for line in found:
        out.write(msgspec.json.encode(line).decode() + "\n" if as_json else _text(line))
    wrong = [line.ledger for line in found if line.alarms or line.damage]
    if wrong:
        raise ChecksFailed(
            what="an alarm of the witness stands",
            which=", ".join(wrong),
            remedy="examine both histories, then roeh desk witness accept",
        )
    if not found and not as_json:
        out.write("no ledger was seen yet\n")
    return EXIT_OK


def read_ledgers(state_dir: Path) -> Iterator[LedgerLine]:
    """What a witness knows, each history verified from its first line."""
    for path in sorted((state_dir / HISTORIES).glob(f"*{SUFFIX}")):
        site, _, node = path.name.removesuffix(SUFFIX).partition(".")
        name = NodeName(site, node)
        try:
            history = History(path)
        except (HistoryForked, StorageFailed) as error:
            yield LedgerLine(ledger=str(name), damage=one_line(str(error)))
            continue
        try:
            yield _line(name, history, state_dir / EVIDENCE)
        finally:
            history.close()


def _line(name: NodeName, history: History, evidence: Path) -> LedgerLine:
    known = history.known
    last, key = known.last, known.key
    return LedgerLine(
        ledger=str(name),
        size=last.tree.size if last else None,
        root=last.tree.root.hex() if last else None,
        t_utc_us=last.t_utc_us if last else None,
        cosigned=last is not None and last.cosigned_s is not None,
        key_id=ecdsa_key_id(key.spki_der).hex() if key else None,
        standing=key.standing.value if key else None,
        alarms=tuple(said(str(name), alarm) for alarm in known.alarms),
        evidence=tuple(str(evidence_path(evidence, name, alarm)) for alarm in known.alarms),
    )


def _text(line: LedgerLine) -> str:
    if line.damage:
        return f"{line.ledger}: DAMAGED: {line.damage}\n"
    text = f"{line.ledger}: nothing seen yet\n"
    if line.size is not None:
        seen = utc_text(line.t_utc_us or 0)
        cosigned = "cosigned" if line.cosigned else "not cosigned: the time was not known"
        text = f"{line.ledger}: {line.size} records, seen {seen}, {cosigned}, root {line.root}\n"
    if line.key_id:
        text += f"    key {line.key_id}: {line.standing}\n"
    for alarm, directory in zip(line.alarms, line.evidence, strict=True):
        text += f"    ALARM {alarm.alarm.value} {utc_text(alarm.t_utc_us)}: {alarm.detail}\n"
        for which, tree in (("kept", alarm.kept), ("claimed", alarm.claimed)):
            if tree is not None and alarm.alarm is not AlarmKind.KEY_CHANGED:
                text += f"        {which}: {tree.size} records, root {tree.root}\n"
        text += f"        evidence: {directory}\n"
    return text


def _accept(chosen: argparse.Namespace, state_dir: Path, clock: Clock) -> int:
    site, _, node = (chosen.ledger or "").partition("/")
    is_tree = chosen.size is not None and chosen.root is not None
    if not (site and node and chosen.person and chosen.reason) or is_tree == bool(chosen.key):
        raise _unclear("SITE/NODE, --person, --reason, and either --size with --root or --key")
    now = clock.read()
    time = WitnessTime(now.t_utc_ns // NS_PER_US, now.utc_error_ns // NS_PER_US, now.synchronised)
    history = open_history(state_dir / HISTORIES, NodeName(site, node))
    try:
        if is_tree:
            tree = Tree(chosen.size, _root(chosen.root))
            accept_tree(history, tree, person=chosen.person, reason=chosen.reason, time=time)
        else:
            accept_key(history, chosen.key, person=chosen.person, reason=chosen.reason, time=time)
    finally:
        history.close()
    sys.stdout.write(f"{site}/{node}: accepted, and written into its history\n")
    return EXIT_OK


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text)
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES:
        raise _unclear(f"--root as {2 * HASH_BYTES} hexadecimal digits")
    return root


def _unclear(wanted: str) -> AlarmRefused:
    return AlarmRefused(
        what="not clear what is to be accepted",
        which="roeh desk witness accept",
        remedy=f"give {wanted}",
    )
