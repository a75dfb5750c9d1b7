"""What a key may be used for, and what signs with it. Without IO.

Each usage has a key and a certificate of its own, so that what was signed for one can
never pass for another. ONVIF Media Signing names no extended key usage; ours stand under
one UUID-based arc (ITU-T X.667), 2.25.<UUID 17a15e71-6ae8-4503-8905-f5b43c15dd80>.
"""

from __future__ import annotations

import enum
from typing import Final, Protocol

import msgspec

#: Of every extended key usage of this product.
ARC: Final = "2.25.31410119229648487433585260800077323648"


class KeyUsage(enum.Enum):
    """The one thing that a key signs; the value is its name in files and commands."""

    MEDIA = "media"
    LOG = "log"
    MANIFEST = "manifest"
    TLS = "tls"


#: The extended key usages of each usage's certificate (edge/docs/keys.md lists them).
EXTENDED_KEY_USAGES: Final[dict[KeyUsage, tuple[str, ...]]] = {
    KeyUsage.MEDIA: (f"{ARC}.1",),
    KeyUsage.LOG: (f"{ARC}.2",),
    KeyUsage.MANIFEST: (f"{ARC}.3",),
    KeyUsage.TLS: ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"),  # serverAuth, clientAuth
}


class NodeName(msgspec.Struct, frozen=True):
    """The node that a certificate is for: its subject's organisation and common name."""

    site: str
    node: str

    def __str__(self) -> str:
        return f"{self.site}/{self.node}"


class Signer(Protocol):
    """One key of one usage, wherever it is at home. Any thread may sign."""

    @property
    def usage(self) -> KeyUsage:
        """What it may sign."""
        ...

    @property
    def chain_pem(self) -> bytes:
        """Its certificate, then the node CA's: PEM, without the root."""
        ...

    @property
    def spki_der(self) -> bytes:
        """Its public key: SubjectPublicKeyInfo, DER."""
        ...

    @property
    def home(self) -> str:
        """`file`, `credential` or `tpm`: how well the key is kept."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, as DER.

        Raises:
            KeyRefused: the key's home does not answer any more.
        """
        ...


class NodeSigners(msgspec.Struct, frozen=True):
    """What evidence signs with.

    Attributes:
        is_provisioned: a key keeper's CA vouches for the keys; False means a set that the
            node made for itself, which proves nothing to a stranger.
    """

    media: Signer
    log: Signer
    manifest: Signer
    is_provisioned: bool
