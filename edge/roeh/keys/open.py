"""From node.toml to the keys that evidence signs with."""

from __future__ import annotations

import os
import pwd
from typing import Protocol

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, KeyRefused
from roeh.core.paths import keys_dir
from roeh.keys.certificates import is_unprovisioned, node_name_of
from roeh.keys.home_credential import DIRECTORY_VARIABLE, CredentialHome
from roeh.keys.home_file import FileHome
from roeh.keys.home_tpm import TpmHome
from roeh.keys.key_pem import KeyEntry
from roeh.keys.key_sets import KeySets
from roeh.keys.signer import KeyUsage, NodeName, NodeSigners, Signer


class KeyHome(Protocol):
    """Where private keys are at home. One conformance suite holds for all."""

    def entry(self, usage: KeyUsage) -> tuple[KeyEntry, str]:
        """A usage's key and certificates, and how they are named in an error.

        Raises:
            KeyRefused: missing, unsafe, or not for this usage.
        """
        ...

    def signer(self, entry: KeyEntry, which: str) -> Signer:
        """What signs with it.

        Raises:
            KeyRefused: the key cannot be used or is not the certificate's.
            RuntimeMissing: the home's library is not installed.
        """
        ...

    def new_key(self, name: NodeName, usage: KeyUsage) -> bytes:
        """A new key as its home keeps it (one PEM block), then its signing request (PEM).

        Raises:
            KeyRefused, RuntimeMissing: the home cannot make one.
        """
        ...


def open_signers(config: NodeConfig, clock: Clock) -> NodeSigners:
    """The keys in force, checked before the first one signs.

    With home `file` and no keys at all, an UNPROVISIONED set is made first, which the node
    vouches for itself; the other homes never make one. An expired certificate is no reason
    not to record: judging it is the verifier's part (`roeh keys show` tells).

    Raises:
        KeyRefused: a key or certificate that is missing, unsafe or not this node's.
        StorageFull, StorageFailed: an unprovisioned set could not be written.
        RuntimeMissing: the home's library is not installed.
    """
    del clock  # no home needs the time yet; one that asks another machine will
    name = node_name(config)
    home = key_home(config)
    if isinstance(home, FileHome):
        home.make_unprovisioned(name)
    media, media_leaf = _open(home, name, KeyUsage.MEDIA)
    log, _ = _open(home, name, KeyUsage.LOG)
    manifest, _ = _open(home, name, KeyUsage.MANIFEST)
    return NodeSigners(
        media=media,
        log=log,
        manifest=manifest,
        is_provisioned=not is_unprovisioned(media_leaf.leaf),
    )


def key_home(config: NodeConfig) -> KeyHome:
    """The home that the configuration names."""
    if config.keys.home == "credential":
        return CredentialHome(os.environ.get(DIRECTORY_VARIABLE, ""))
    if config.keys.home == "tpm":
        return TpmHome(key_sets(config), config.keys.tpm_tcti)
    return FileHome(key_sets(config))


def key_sets(config: NodeConfig) -> KeySets:
    """The key directory of this node."""
    return KeySets(keys_dir(config), _evidence_uid(config))


def node_name(config: NodeConfig) -> NodeName:
    """What this node's certificates have to name."""
    return NodeName(site=config.node.site, node=config.node.name)


def _open(home: KeyHome, name: NodeName, usage: KeyUsage) -> tuple[Signer, KeyEntry]:
    entry, which = home.entry(usage)
    named = node_name_of(entry.leaf.subject)
    if named != name:
        raise KeyRefused(
            what=f"the certificate is for {named or 'no node'}, and this node is {name}",
            which=which,
            remedy="correct [node] site and name, or request certificates for the new name",
        )
    return home.signer(entry, which), entry


def _evidence_uid(config: NodeConfig) -> int:
    """The user to whom keys have to belong: evidence's, or whoever runs the node."""
    if not config.users.evidence:
        return os.geteuid()
    try:
        return pwd.getpwnam(config.users.evidence).pw_uid
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"[users] evidence = {config.users.evidence}",
            remedy="create the user or correct the name",
        ) from None
