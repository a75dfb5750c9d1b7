"""Whether those who signed are trusted: valid is not enough.

Pure. A chain is judged for each stretch of time in which it signed, with the earliest
witness of those signatures, because what was signed before a revocation still counts where
somebody else had seen it by then.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable

import msgspec
from cryptography import x509

from roeh.keys.certificates import certificate_pem, spki_der, usage_of
from roeh.keys.chain import ChainVerdict, SigningTime, TrustAnchors, Witness, judge_chain
from roeh.keys.key_pem import UNPARSABLE, certificates_in, is_p256
from roeh.keys.signer import KeyUsage, NodeName
from roeh.verify.anchoring import Anchor, LogKey

_NO_BOUND_US = 2**62
_WIDE_US = 86_400_000_000


class _Trusted(msgspec.Struct):
    """The stretch of time over which a chain was judged, both ends included."""

    from_us: int
    to_us: int
    verdict: ChainVerdict


class ClaimedTime(msgspec.Struct, frozen=True):
    """When a signature says that it was made, off by `error_us` if the clock was set."""

    t_utc_us: int
    error_us: int = 0
    is_set: bool = True


class SignerJudge:
    """Judges the chains of stream signatures and of the log.

    Args:
        anchors: what the reader believes; None when nothing was given.
        node: whose signatures these have to be, where a ledger says so.

    Attributes:
        trusted: verdicts by the hash of the chain.
        untrusted: likewise; a chain may be in both, at different times.
        untimed: of `trusted`: where the clock was not set, and their time may not have come.
    """

    def __init__(self, anchors: TrustAnchors | None, node: NodeName | None) -> None:
        self._anchors = anchors
        self._node = node
        self._judged: dict[tuple[str, int | None, int, bool], _Trusted] = {}
        self.trusted: dict[str, ChainVerdict] = {}
        self.untrusted: dict[str, ChainVerdict] = {}
        self.untimed: dict[str, ChainVerdict] = {}

    @property
    def has_anchors(self) -> bool:
        """Whether anything can be trusted at all."""
        return self._anchors is not None

    def judge_media(
        self, chain_pem: bytes, time: ClaimedTime, anchor: Anchor | None
    ) -> ChainVerdict | None:
        """The chain of a GOP's signature; None without anything to trust.

        Args:
            chain_pem: as the signature brought it.
            time: when the signature says that the GOP began.
            anchor: the earliest checkpoint with a witness over it, if there is one.
        """
        if self._anchors is None:
            return None
        name = hashlib.sha256(chain_pem).hexdigest()
        witness = _witness(anchor)
        # Stretches are told apart by how far their time can be off, when that is far.
        wide_us = time.error_us if time.error_us > _WIDE_US else 0
        key = (name, None if witness is None else witness.t_utc_us, wide_us, time.is_set)
        known, t_utc_us = self._judged.get(key), time.t_utc_us
        if known is not None and known.from_us <= t_utc_us <= known.to_us:
            return known.verdict
        usage = _usage_for(chain_pem, self._node)
        verdict = self._judge(name, chain_pem, usage, time, witness)
        if known is not None and known.verdict.is_trusted and verdict.is_trusted:
            # Certificates count for one stretch of time, so for all that lies between two.
            known.from_us = min(known.from_us, t_utc_us)
            known.to_us = max(known.to_us, t_utc_us)
        else:
            self._judged[key] = _Trusted(t_utc_us, t_utc_us, verdict)
        (self.trusted if verdict.is_trusted else self.untrusted).setdefault(name, verdict)
        return verdict

    def _judge(
        self,
        name: str,
        chain_pem: bytes,
        usage: KeyUsage | None,
        time: ClaimedTime,
        witness: Witness | None,
    ) -> ChainVerdict:
        assert self._anchors is not None
        judge = functools.partial(
            judge_chain, chain_pem, usage, anchors=self._anchors, witness=witness, node=self._node
        )
        verdict = judge(signed=SigningTime(time.t_utc_us, time.error_us))
        if verdict.is_trusted or time.is_set:
            return verdict
        timeless = judge(signed=SigningTime(time.t_utc_us, _NO_BOUND_US))
        if not timeless.is_trusted:
            return verdict
        self.untimed.setdefault(name, timeless)
        return timeless

    def judge_log(
        self, key: LogKey, time: ClaimedTime, anchor: Anchor | None
    ) -> ChainVerdict | None:
        """The chain of the key that signed a checkpoint."""
        if self._anchors is None:
            return None
        name = hashlib.sha256(key.chain_pem).hexdigest()
        return self._judge(name, key.chain_pem, KeyUsage.LOG, time, _witness(anchor))

    def judge_manifest(
        self, chain_pem: bytes, time: ClaimedTime, witness: Witness | None
    ) -> ChainVerdict | None:
        """The chain of the key that signed a bundle's manifest."""
        if self._anchors is None:
            return None
        name = hashlib.sha256(chain_pem).hexdigest()
        verdict = self._judge(name, chain_pem, KeyUsage.MANIFEST, time, witness)
        (self.trusted if verdict.is_trusted else self.untrusted).setdefault(name, verdict)
        return verdict


def log_keys_in(files: Iterable[bytes]) -> tuple[LogKey, ...]:
    """The log keys that PEM files hold certificates of, each with its CAs from that file."""
    found: dict[bytes, LogKey] = {}
    for content in files:
        try:
            certificates = certificates_in(content)
            leaves = [each for each in certificates if usage_of(each.extensions) is KeyUsage.LOG]
        except UNPARSABLE:
            # Not every file beside a ledger is one of certificates.
            continue
        for leaf in leaves:
            public_key = leaf.public_key()
            if is_p256(public_key):
                der = spki_der(public_key)
                issuers = [each for each in certificates if each.subject == leaf.issuer][:1]
                found.setdefault(der, LogKey(der, certificate_pem(leaf, *issuers)))
    return tuple(found.values())


def spki_sha256_of(chain_pem: bytes) -> str | None:
    """How a key record names the key of this chain's leaf; None when there is none."""
    try:
        public_key = certificates_in(chain_pem)[0].public_key()
    except (*UNPARSABLE, IndexError):
        return None
    return hashlib.sha256(spki_der(public_key)).hexdigest() if is_p256(public_key) else None


def _usage_for(chain_pem: bytes, node: NodeName | None) -> KeyUsage | None:
    """Ours have a usage and are held to it; other makers' cameras know none of ours."""
    if node is not None:
        return KeyUsage.MEDIA
    try:
        leaf: x509.Certificate = certificates_in(chain_pem)[0]
        return None if usage_of(leaf.extensions) is None else KeyUsage.MEDIA
    except (*UNPARSABLE, IndexError):
        return None


def _witness(anchor: Anchor | None) -> Witness | None:
    if anchor is None or anchor.t_utc_us is None:
        return None
    return Witness(t_utc_us=anchor.t_utc_us, source=anchor.witness or "a witness", error_us=0)
