"""The demo's city: who vouches for its pole, and two police officers.

Made as edge/docs/keys.md says, but in one directory, without passphrases and for this demo alone.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.access.trust_list import TrustedAuthority, TrustList, sign_trust_list
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import AccessSection, NodeConfig
from roeh.core.retrieval import PersonRole
from roeh.keys.authority import CERTIFICATE_FILE, LEAF_DAYS, AuthorityDirectory
from roeh.keys.new_authority import create_ca, create_root
from roeh.keys.open import key_home, key_sets, node_name
from roeh.keys.person_certificates import AuthorityClass, person_name
from roeh.keys.persons import make_person_request, sign_person
from roeh.keys.pole import Pole
from roeh.keys.safe_files import replace_public
from roeh.keys.signer import KeyUsage
from roeh.keys.tls_files import tls_copies
from roeh.keys.trust_signers import TRUST_SIGNER_DAYS, make_trust_signer, open_trust_signer

_TRUST_LIST_FILE = "trust-list.p7m"
_CLASSES = (AuthorityClass.DEVICE, AuthorityClass.POLICE)


class OfficerFiles(msgspec.Struct, frozen=True):
    """An officer's key and certificate, as `roeh police` takes them."""

    key: Path
    certificate: Path


class DemoCity:
    """A root, a node CA, a police CA and a trust list in a new directory."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._clock = clock
        self._directory = directory
        root_dir = directory / "root"
        create_root(root_dir, "Demo city root", None, clock)
        root = AuthorityDirectory(root_dir, _no_passphrase)
        for authority_class in _CLASSES:
            create_ca(
                self._of(authority_class),
                f"Demo {authority_class.value} CA",
                root,
                None,
                clock,
                authority_class=authority_class,
            )
        self.root_file = root_dir / CERTIFICATE_FILE
        self.trust_file = directory / _TRUST_LIST_FILE
        #: A list of every CA, none of them with anybody on it.
        self.revocation_files = tuple(
            AuthorityDirectory(place, _no_passphrase).revoke(None, clock)
            for place in (root_dir, *map(self._of, _CLASSES))
        )
        replace_public(self.trust_file, self._trust_list(root))

    def officer(self, name: str, number: str, role: PersonRole) -> OfficerFiles:
        """An officer of the demo's police."""
        files = OfficerFiles(self._directory / f"{name}.key", self._directory / f"{name}.pem")
        person = person_name(number, name.title(), "Demo police")
        request_pem, _ = make_person_request(files.key, person, lambda: None, _no_passphrase)
        certificate_pem, _ = sign_person(
            AuthorityDirectory(self._of(AuthorityClass.POLICE), _no_passphrase),
            request_pem,
            role,
            days=LEAF_DAYS,
            renew=False,
            clock=self._clock,
        )
        replace_public(files.certificate, certificate_pem)
        return files

    def access(self, port: int) -> AccessSection:
        """What lets the city's persons in, on loopback."""
        return AccessSection(
            host="127.0.0.1",
            port=port,
            root_file=str(self.root_file),
            trust_file=str(self.trust_file),
            # A demo's machine may have no time server; a city's pole needs one.
            allow_unsynchronised=True,
        )

    def provision(self, config: NodeConfig) -> None:
        """Give a pole that has no keys yet its own, vouched for by the node CA."""
        sets = key_sets(config)
        pole = Pole(node_name(config), key_home(config), config.keys.home, sets, tls_copies(config))
        nodes = AuthorityDirectory(self._of(AuthorityClass.DEVICE), _no_passphrase)
        certificates_pem, _ = nodes.sign(pole.request(KeyUsage), LEAF_DAYS, self._clock)
        pole.install(certificates_pem)

    def _of(self, authority_class: AuthorityClass) -> Path:
        return self._directory / authority_class.value

    def _trust_list(self, root: AuthorityDirectory) -> bytes:
        file = self._directory / "trust-signer.pem"
        make_trust_signer(
            root,
            file,
            "Demo trust lists",
            lambda: None,
            days=TRUST_SIGNER_DAYS,
            clock=self._clock,
        )
        signer = open_trust_signer(file, _no_passphrase)
        trust_list = TrustList(
            version=1,
            issued_utc_us=self._clock.read().t_utc_ns // NS_PER_US,
            authorities=tuple(
                TrustedAuthority(one, (self._of(one) / CERTIFICATE_FILE).read_text())
                for one in _CLASSES
            ),
            revocation_lists_pem=tuple(path.read_text() for path in self.revocation_files),
        )
        return sign_trust_list(trust_list, chain_pem=signer.chain_pem, sign=signer.sign)


def _no_passphrase(_place: Path) -> bytes:
    return b""
