"""Home `file`: keys as PEM files that only evidence's user can read.

The weakest home: whoever is root on the pole, or has its disk, can copy the keys.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from roeh.keys.certificates import (
    ALWAYS_FROM,
    ALWAYS_UNTIL,
    UNPROVISIONED,
    Validity,
    certificate_pem,
    is_unprovisioned,
    leaf_certificate,
    new_private_key,
    node_authority,
    node_name_of,
    node_subject,
    root_authority,
    signing_request,
    spki_der,
)
from roeh.keys.key_pem import KeyEntry, load_pkcs8
from roeh.keys.key_sets import ANCHORS_FILE, KeySets, entry_of_set
from roeh.keys.signer import KeyUsage, NodeName


class PemSigner:
    """Signs with a private key held in this process's memory.

    Args:
        entry: a key with its certificates, as `parse_entry` gives it.
        home: where the key came from.
        which: how its file is named in an error.

    Raises:
        KeyRefused: the key cannot be read or does not belong to the certificate.
    """

    def __init__(self, entry: KeyEntry, *, home: str, which: str) -> None:
        self._private_key = load_pkcs8(entry, which)
        self.usage = entry.usage
        self.chain_pem = entry.chain_pem
        self.spki_der = spki_der(entry.public_key)
        self.home = home

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, as DER."""
        return self._private_key.sign(message, ec.ECDSA(hashes.SHA256()))


class FileHome:
    """Keys of the newest set of a key directory."""

    def __init__(self, sets: KeySets) -> None:
        self._sets = sets

    def entry(self, usage: KeyUsage) -> tuple[KeyEntry, str]:
        """A usage's key and certificates, and how they are named in an error."""
        return entry_of_set(self._sets, usage)

    def signer(self, entry: KeyEntry, which: str) -> PemSigner:
        """What signs with it."""
        return PemSigner(entry, home="file", which=which)

    def new_key(self, name: NodeName, usage: KeyUsage) -> bytes:
        """A new key's block, then its request."""
        return pkcs8_with_request(name, usage)

    def make_unprovisioned(self, name: NodeName) -> None:
        """Where there are no keys, a set that the node vouches for itself.

        A self-made set for a name that the node no longer has is replaced too.

        Raises:
            StorageFull, StorageFailed, KeyRefused: it could not be written or read.
        """
        newest = self._sets.newest()
        if newest:
            leaf = self.entry(KeyUsage.MEDIA)[0].leaf
            if not is_unprovisioned(leaf) or node_name_of(leaf.subject) == name:
                return
        if self._sets.add(unprovisioned_set(name), after=newest):
            self._sets.retire()


def unprovisioned_set(name: NodeName) -> dict[str, bytes]:
    """The files of a set that vouches for itself: a root, a node CA, and all four keys.

    The keys of root and node CA exist only in this function, so that nobody can add to
    the set later. Names say what it is; it is valid always, since a node that has no
    keys yet may not know the time either.
    """
    validity = Validity(ALWAYS_FROM, ALWAYS_UNTIL)
    root = root_authority(node_subject(name, f"{UNPROVISIONED} root"), new_private_key(), validity)
    authority = node_authority(
        node_subject(name, f"{UNPROVISIONED} CA"), new_private_key(), root, validity
    )
    files = {ANCHORS_FILE: certificate_pem(root.certificate)}
    for usage in KeyUsage:
        private_key = new_private_key()
        leaf = leaf_certificate(
            node_subject(name, f"{UNPROVISIONED} {usage.value}"),
            private_key.public_key(),
            usage,
            authority,
            validity,
        )
        files[f"{usage.value}.pem"] = pkcs8_pem(private_key) + certificate_pem(
            leaf, authority.certificate
        )
    return files


def pkcs8_pem(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM PKCS#8, not encrypted: the file's mode protects it."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pkcs8_with_request(name: NodeName, usage: KeyUsage) -> bytes:
    """A new private key as PEM PKCS#8, then its request for a certificate."""
    private_key = new_private_key()
    request = signing_request(name, usage, private_key)
    return pkcs8_pem(private_key) + request.public_bytes(Encoding.PEM)
