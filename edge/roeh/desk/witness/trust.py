"""Whose key signs a ledger: what a chain of certificates is worth to a witness. Pure.

A chain comes with the pole's state, signed by nobody: it counts only once a checkpoint is
signed by its key. With roots of its own the witness takes whatever key they vouch for, so
that a key may change; without them the first key stays, and every other is an alarm. A key
that a pole made for itself (UNPROVISIONED) is pinned in both cases, until a root vouches
for its successor.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.keys.chain import ChainVerdict, SigningTime, TrustAnchors, judge_chain
from roeh.keys.revocation import RevocationLists
from roeh.keys.signer import KeyUsage, NodeName


class Standing(enum.Enum):
    """Why a key is believed."""

    VOUCHED = "a root vouches for it"
    PINNED = "it was the first"
    PINNED_UNPROVISIONED = "it was the first, and nobody vouches for it (UNPROVISIONED)"
    ACCEPTED = "a person said so"


class LogKey(msgspec.Struct, frozen=True):
    """The key that signs a ledger: SubjectPublicKeyInfo in DER, its chain, and its standing."""

    spki_der: bytes
    chain_pem: str
    standing: Standing


class KeyTrust(msgspec.Struct, frozen=True):
    """What a chain is worth now.

    Attributes:
        taken: the key to be believed from now; None: nothing changes.
        offered: the key in the chain, believed or not; empty when there is none.
        is_change: another key than the one believed is offered, and may not be: an alarm.
        is_over: no root vouches any more for the key that was believed because of one.
        reason: in words.
    """

    taken: LogKey | None = None
    offered: bytes = b""
    is_change: bool = False
    is_over: bool = False
    reason: str = ""


def judge_key(
    chain_pem: str,
    believed: LogKey | None,
    node: NodeName,
    anchors: TrustAnchors | None,
    now: SigningTime,
) -> KeyTrust:
    """Judge the chain that a pole offers.

    Args:
        chain_pem: leaf first.
        believed: the key that signs this ledger so far.
        node: whose ledger it is.
        anchors: None: this witness has no roots of its own.
        now: the witness's time.
    """
    verdict = judge_chain(
        chain_pem.encode("utf-8"),
        KeyUsage.LOG,
        anchors=anchors or TrustAnchors((), RevocationLists()),
        signed=now,
        node=node,
    )
    if not _is_usable(verdict, node):
        return KeyTrust(reason=verdict.reason)
    if believed is not None and verdict.spki_der == believed.spki_der:
        return _same_key(verdict, believed, chain_pem, has_roots=anchors is not None)
    if verdict.is_trusted:
        return _take(verdict, chain_pem, Standing.VOUCHED)
    if believed is not None:
        reason = f"another key than the one believed; {verdict.reason}"
        return KeyTrust(offered=verdict.spki_der, is_change=True, reason=reason)
    return _first_key(verdict, chain_pem, has_roots=anchors is not None)


def _first_key(verdict: ChainVerdict, chain_pem: str, *, has_roots: bool) -> KeyTrust:
    if verdict.is_unprovisioned:
        return _take(verdict, chain_pem, Standing.PINNED_UNPROVISIONED)
    if has_roots:
        return KeyTrust(offered=verdict.spki_der, reason=verdict.reason)
    return _take(verdict, chain_pem, Standing.PINNED)


def _same_key(
    verdict: ChainVerdict, believed: LogKey, chain_pem: str, *, has_roots: bool
) -> KeyTrust:
    if verdict.is_trusted and believed.standing is not Standing.VOUCHED:
        return _take(verdict, chain_pem, Standing.VOUCHED)
    is_over = has_roots and believed.standing is Standing.VOUCHED and not verdict.is_trusted
    return KeyTrust(offered=verdict.spki_der, is_over=is_over, reason=verdict.reason)


def _take(verdict: ChainVerdict, chain_pem: str, standing: Standing) -> KeyTrust:
    key = LogKey(verdict.spki_der, chain_pem, standing)
    reason = verdict.reason if standing is Standing.VOUCHED else standing.value
    return KeyTrust(key, verdict.spki_der, reason=reason)


def _is_usable(verdict: ChainVerdict, node: NodeName) -> bool:
    """Whether it holds a key for logs of this node, whoever vouches for it."""
    return bool(verdict.spki_der) and verdict.name == node and verdict.usage is KeyUsage.LOG
