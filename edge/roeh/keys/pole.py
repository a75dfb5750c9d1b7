"""The pole's side of the ceremony: keys that wait, certificates that come, sets in force.

A key waits in `pending` until its certificate is installed; until then nothing changes for
evidence. An installation writes a whole new set and brings it into force by one rename;
evidence takes it up at its next start. The key for TLS is then copied to where publish and
retrieve read it; an installation that was interrupted before that copies it when it is repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import (
    certificate_pem,
    is_unprovisioned,
    node_name_of,
    spki_der,
    usage_of,
)
from roeh.keys.chain import SigningTime, judge_chain, trust_anchors
from roeh.keys.instants import microseconds
from roeh.keys.key_pem import (
    PKCS8_LABEL,
    REQUEST_LABEL,
    TPM_LABEL,
    UNPARSABLE,
    KeyEntry,
    certificates_in,
    is_p256,
    parse_entry,
    pem_blocks,
)
from roeh.keys.key_sets import ANCHORS_FILE, KeySets, entry_of_set
from roeh.keys.open import KeyHome
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.tls_files import TlsFile, is_worth_showing


class KeyState(msgspec.Struct, frozen=True):
    """One usage's key, for people.

    Attributes:
        home: where the key is kept.
        node: whom the certificate names.
        serial: of the certificate, hexadecimal.
        sha256: of the certificate (DER), hexadecimal.
        until_utc_us: the certificate's last second.
        is_provisioned: a key keeper's CA vouches for it.
        is_waiting: a new key waits for its certificate.
    """

    usage: KeyUsage
    home: str
    node: str
    serial: str
    sha256: str
    until_utc_us: int
    is_provisioned: bool
    is_waiting: bool


class Pole:
    """The keys of one node, as its technician handles them."""

    def __init__(
        self,
        name: NodeName,
        home: KeyHome,
        home_name: str,
        sets: KeySets,
        tls: Sequence[TlsFile],
    ) -> None:
        self._name = name
        self._home = home
        self._home_name = home_name
        self._sets = sets
        self._tls = tls

    def request(self, usages: Iterable[KeyUsage]) -> bytes:
        """Keys that wait for their certificates, made where none waits; their requests (PEM).

        Asked again it gives the same requests, until the certificates are installed.
        """
        requests = b""
        for usage in usages:
            waiting = self._waiting(usage)
            if waiting is None:
                waiting = self._home.new_key(self._name, usage)
                self._sets.put_pending(_file(usage), waiting)
            requests += _block(waiting, REQUEST_LABEL)
        return requests

    def is_provisioned(self) -> bool:
        """Whether a key keeper's CA vouches for a usable key in force, under the node's name."""
        entries = [self._in_force(usage) for usage in KeyUsage]
        return any(entry is not None and self._is_vouched_for(entry) for entry in entries)

    def install(self, certificates_pem: bytes) -> list[KeyUsage]:
        """Bring the keys into force whose certificates these are.

        Returns:
            The usages that changed; none when all were in force already, everywhere.

        Raises:
            KeyRefused: a certificate for another node or key, a chain that does not lead to
                its root, or a set that would not be whole. Then nothing changed.
            StorageFull, StorageFailed: it could not be written; nothing changed.
            OutputRefused: a copy for TLS could not be written; there is the one before.
        """
        self._sets.retire()
        leaves, authorities, roots = _sorted_out(certificates_pem)
        newest = self._sets.newest()
        files = self._present_files()
        changed = []
        for leaf in leaves:
            chain = self._chain(leaf, authorities, roots)
            usage = usage_of(leaf.extensions)
            assert usage is not None
            if self._is_in_force(usage, leaf):
                continue
            files[_file(usage)] = self._with_key(usage, leaf) + chain
            entry = parse_entry(files[_file(usage)], usage, f"the certificate for {usage.value}")
            self._home.signer(entry, f"the certificate for {usage.value}")
            changed.append(usage)
        missing = [usage.value for usage in KeyUsage if _file(usage) not in files]
        if missing:
            raise KeyRefused(
                what=f"no certificate for {', '.join(missing)}",
                which="a set has to be whole",
                remedy="request or rotate these too, and install all of them at once",
            )
        if KeyUsage.TLS in changed:
            for copy in self._tls:
                copy.prepare()
        if changed:
            files[ANCHORS_FILE] = _joined(files.get(ANCHORS_FILE, b""), certificate_pem(*roots))
            if not self._sets.add(files, after=newest):
                raise KeyRefused(
                    what="somebody else just installed keys",
                    which=str(self._sets.directory),
                    remedy="look at roeh keys show, then try again",
                )
            self._sets.retire()
        for leaf in leaves:
            self._drop_waiting(leaf)
        if self._give_copies() and KeyUsage.TLS not in changed:
            changed.append(KeyUsage.TLS)
        return changed

    def without_tls(self) -> list[str]:
        """The processes that do not prove the node with the certificate that is in force."""
        entry = self._in_force(KeyUsage.TLS)
        return [one.process for one in self._tls if entry is None or not one.is_current(entry)]

    def states(self) -> list[KeyState]:
        """What is in force, by usage.

        Raises:
            KeyRefused: no keys, or unsafe ones.
        """
        return [self._state(usage) for usage in KeyUsage]

    def waiting(self) -> list[KeyUsage]:
        """The usages whose new key waits for its certificate."""
        return [usage for usage in KeyUsage if self._sets.pending(_file(usage)) is not None]

    def _give_copies(self) -> bool:
        """Copy the key for TLS in force to who shows it; False when it is there already."""
        entry = self._in_force(KeyUsage.TLS)
        if entry is None or not is_worth_showing(entry):
            return False
        lacking = [one for one in self._tls if not one.is_current(entry)]
        for one in lacking:
            one.put(entry)
        return bool(lacking)

    def _state(self, usage: KeyUsage) -> KeyState:
        entry, which = self._home.entry(usage)
        self._home.signer(entry, which)
        leaf = entry.leaf
        return KeyState(
            usage=usage,
            home="file" if usage is KeyUsage.TLS else self._home_name,
            node=str(node_name_of(leaf.subject)),
            serial=f"{leaf.serial_number:x}",
            sha256=hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest(),
            until_utc_us=microseconds(leaf.not_valid_after_utc),
            is_provisioned=not is_unprovisioned(leaf),
            is_waiting=self._sets.pending(_file(usage)) is not None,
        )

    def _waiting(self, usage: KeyUsage) -> bytes | None:
        """The key that waits, unless it is in force already, for another name, or damaged.

        An installation that was interrupted at its very end leaves one that is in force.
        """
        waiting = self._sets.pending(_file(usage))
        if waiting is None:
            return None
        try:
            name = node_name_of(x509.load_pem_x509_csr(_block(waiting, REQUEST_LABEL)).subject)
        except UNPARSABLE:
            return None
        entry = self._in_force(usage)
        if name != self._name or (entry and _spki(entry.leaf) == _waiting_spki(waiting)):
            return None
        return waiting

    def _in_force(self, usage: KeyUsage) -> KeyEntry | None:
        """A usage's key in force; None when there is none, or none that may be used.

        What cannot be used is replaced like what is not there: this is how a damaged set
        is repaired. Evidence itself refuses it.
        """
        try:
            return entry_of_set(self._sets, usage)[0]
        except KeyRefused:
            return None

    def _is_vouched_for(self, entry: KeyEntry) -> bool:
        return not is_unprovisioned(entry.leaf) and node_name_of(entry.leaf.subject) == self._name

    def _present_files(self) -> dict[str, bytes]:
        """The usable files of a provisioned set in force: what is not installed anew stays."""
        entries = {usage: self._in_force(usage) for usage in KeyUsage}
        files = {
            _file(usage): entry.key_pem + entry.chain_pem
            for usage, entry in entries.items()
            if entry is not None and self._is_vouched_for(entry)
        }
        if files:
            with contextlib.suppress(KeyRefused):
                files[ANCHORS_FILE] = self._sets.read(self._sets.newest(), ANCHORS_FILE)
        return files

    def _is_in_force(self, usage: KeyUsage, leaf: x509.Certificate) -> bool:
        entry = self._in_force(usage)
        return entry is not None and entry.leaf == leaf

    def _with_key(self, usage: KeyUsage, leaf: x509.Certificate) -> bytes:
        """The private key's block that a certificate is for."""
        waiting = self._sets.pending(_file(usage))
        if waiting is not None and _spki(leaf) == _waiting_spki(waiting):
            return _block(waiting, PKCS8_LABEL) or _block(waiting, TPM_LABEL)
        entry = self._in_force(usage)
        if entry is not None and _spki(entry.leaf) == _spki(leaf):
            return entry.key_pem
        raise KeyRefused(
            what="no key of this node waits for it",
            which=f"the certificate for {usage.value}, serial {leaf.serial_number:x}",
            remedy="install what was signed for the newest request, or roeh keys request",
        )

    def _chain(
        self,
        leaf: x509.Certificate,
        authorities: list[x509.Certificate],
        roots: list[x509.Certificate],
    ) -> bytes:
        """Leaf and node CA, when they lead to a root that came along."""
        usage = usage_of(leaf.extensions)
        issuers = [item for item in authorities if item.subject == leaf.issuer]
        chain = certificate_pem(leaf, *issuers[:1])
        if not roots:
            wrong = "the root's certificate is not among them"
        else:
            # The pole may not know the time; the certificate's first second is as good.
            verdict = judge_chain(
                chain,
                usage,
                anchors=trust_anchors(certificate_pem(*roots)),
                signed=SigningTime(microseconds(leaf.not_valid_before_utc)),
                node=self._name,
            )
            wrong = "" if verdict.is_trusted else verdict.reason
        if wrong:
            raise KeyRefused(
                what=wrong,
                which=f"the certificate of serial {leaf.serial_number:x}",
                remedy="name what roeh keys sign wrote for this node",
            )
        return chain

    def _drop_waiting(self, leaf: x509.Certificate) -> None:
        usage = usage_of(leaf.extensions)
        assert usage is not None
        waiting = self._sets.pending(_file(usage))
        if waiting is not None and _waiting_spki(waiting) == _spki(leaf):
            self._sets.drop_pending(_file(usage))


def _sorted_out(
    content: bytes,
) -> tuple[list[x509.Certificate], list[x509.Certificate], list[x509.Certificate]]:
    """The certificates of nodes, of node CAs, and roots."""
    try:
        certificates = certificates_in(content)
        roots = [item for item in certificates if item.subject == item.issuer]
        leaves = [item for item in certificates if usage_of(item.extensions)]
    except UNPARSABLE as error:
        raise KeyRefused(
            what=f"cannot be read ({error})",
            which="the certificates",
            remedy="name what roeh keys sign wrote",
        ) from error
    if not leaves:
        raise KeyRefused(
            what="no certificate of a node in it",
            which="the certificates",
            remedy="name what roeh keys sign wrote",
        )
    others = [item for item in certificates if item not in roots and item not in leaves]
    return leaves, others, roots


def _joined(present: bytes, added: bytes) -> bytes:
    """Certificates of both, each once."""
    return b"".join(dict.fromkeys(block for _, block in pem_blocks(present + added)))


def _block(content: bytes, wanted: str) -> bytes:
    return next((block for label, block in pem_blocks(content) if label == wanted), b"")


def _spki(item: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    public_key = item.public_key()
    return spki_der(public_key) if is_p256(public_key) else b""


def _waiting_spki(waiting: bytes) -> bytes:
    """The public key of a key that waits; empty when its request cannot be read."""
    try:
        return _spki(x509.load_pem_x509_csr(_block(waiting, REQUEST_LABEL)))
    except UNPARSABLE:
        return b""


def _file(usage: KeyUsage) -> str:
    return f"{usage.value}.pem"
