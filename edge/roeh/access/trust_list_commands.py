"""`roeh keys trust-list`: who signs the list of whom poles believe; making one, reading one."""

from __future__ import annotations

import argparse
from pathlib import Path

from roeh.access.judging import time_of
from roeh.access.trust_list import (
    HeldTrust,
    TrustedAuthority,
    TrustList,
    read_trust_list,
    sign_trust_list,
)
from roeh.core.clock import NS_PER_US, SystemClock
from roeh.core.errors import EXIT_OK, KeyRefused
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.keys.asking import (
    Action,
    Adder,
    add_new_passphrase,
    new_passphrase,
    passphrase_from,
    positive_days,
    say,
)
from roeh.keys.authority import AuthorityDirectory, only_certificate
from roeh.keys.certificates import certificate_pem
from roeh.keys.chain import is_issued_by
from roeh.keys.cms import read_signed
from roeh.keys.instants import as_text, microseconds
from roeh.keys.key_pem import certificates_in, pem_blocks
from roeh.keys.person_certificates import AuthorityClass
from roeh.keys.safe_files import read_public, replace_public
from roeh.keys.trust_signers import TRUST_SIGNER_DAYS, make_trust_signer, open_trust_signer

_CRL_LABEL = "X509 CRL"


def add_actions(add: Adder) -> None:
    """The actions with their options."""
    text = "The list of whom poles believe: its signer, making one, reading one."
    trust_list = add("trust-list", None, text)
    steps = trust_list.add_subparsers(title="steps", metavar="STEP", required=True)

    def add_step(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = steps.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    signer = add_step("signer", _signer, "Offline: make who signs trust lists, under a root.")
    signer.add_argument("file", type=Path, metavar="FILE", help="key and certificates")
    signer.add_argument("--root", type=Path, required=True, metavar="DIR")
    signer.add_argument("--name", default="Roeh trust lists", help="its name, default %(default)r")
    signer.add_argument(
        "--days",
        type=positive_days,
        default=TRUST_SIGNER_DAYS,
        metavar="N",
        help="default %(default)s",
    )
    signer.add_argument("--root-passphrase-file", type=Path, metavar="FILE")
    add_new_passphrase(signer)

    make = add_step("make", _make, "Make and sign a list: every CA and every revocation list.")
    make.add_argument("--signer", type=Path, required=True, metavar="FILE")
    for authority_class in AuthorityClass:
        make.add_argument(
            f"--{authority_class.value}",
            type=Path,
            action="append",
            default=[],
            metavar="CA.pem",
            help="may be repeated",
        )
    make.add_argument(
        "--crl",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a revoked.pem; may be repeated",
    )
    make.add_argument("--version", type=int, required=True, metavar="N", help="one more each time")
    make.add_argument("--out", type=Path, required=True, metavar="FILE", help="trust-list.p7m")
    make.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the signer")

    show = add_step("show", _show, "What a list says, whom it dismisses, and who signed it.")
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument(
        "--root", type=Path, metavar="CA.pem", help="believe this one, not that in the list"
    )


def _signer(chosen: argparse.Namespace) -> int:
    made = make_trust_signer(
        AuthorityDirectory(chosen.root, passphrase_from(chosen.root_passphrase_file)),
        chosen.file,
        chosen.name,
        lambda: new_passphrase(chosen, chosen.file),
        days=chosen.days,
        clock=SystemClock(),
    )
    again = "is there" if made.was_there else "made"
    say(f"trust-list signer {again}: {chosen.file}")
    say(f"serial {made.serial}  until {as_text(made.until_utc_us)}")
    return EXIT_OK


def _make(chosen: argparse.Namespace) -> int:
    signer = open_trust_signer(chosen.signer, passphrase_from(chosen.passphrase_file))
    root_pem = certificate_pem(certificates_in(signer.chain_pem)[1])
    now = SystemClock().read()
    trust_list = TrustList(
        version=_version(chosen.version),
        issued_utc_us=now.t_utc_ns // NS_PER_US,
        authorities=tuple(
            TrustedAuthority(kind, certificate_pem(only_certificate(path)).decode("ascii"))
            for kind in AuthorityClass
            for path in getattr(chosen, kind.value)
        ),
        revocation_lists_pem=tuple(pem for path in chosen.crl for pem in _revocation_lists(path)),
    )
    if _is_there(chosen.out, trust_list, root_pem):
        say(f"{chosen.out}: version {trust_list.version} is there, and says the same")
        return EXIT_OK
    signed = sign_trust_list(trust_list, chain_pem=signer.chain_pem, sign=signer.sign)
    # What a pole would refuse is not given out.
    trust = read_trust_list(signed, root_pem, time_of(now))
    replace_public(chosen.out, signed)
    _tell(trust)
    say(f"{chosen.out}: give it to the poles; none takes an older one afterwards")
    return EXIT_OK


def _show(chosen: argparse.Namespace) -> int:
    signed = read_public(chosen.file, MAX_SIGNED_BYTES)
    if chosen.root is not None:
        root_pem = certificate_pem(only_certificate(chosen.root))
    else:
        root_pem = _root_inside(signed)
    _tell(read_trust_list(signed, root_pem, None))
    if chosen.root is None:
        say("by the root that came with it: compare it, or name yours with --root")
    return EXIT_OK


def _tell(trust: HeldTrust) -> None:
    held = trust.trust_list
    say(f"trust list version {held.version}, issued {as_text(held.issued_utc_us)}")
    say(f"sha256 {trust.sha256}")
    signer = trust.signer
    say(
        f"signed by {signer.subject.rfc4514_string()}  serial {signer.serial_number:x}  "
        f"until {as_text(microseconds(signer.not_valid_after_utc))}"
    )
    say(f"root: {trust.root.subject.rfc4514_string()}  serial {trust.root.serial_number:x}")
    for one in trust.authorities:
        until = as_text(microseconds(one.certificate.not_valid_after_utc))
        name = one.certificate.subject.rfc4514_string()
        say(f"{one.authority_class.value:7} {name}  until {until}")
    for item in trust.revocations.lists:
        made = as_text(microseconds(item.last_update_utc))
        say(f"revoked by {item.issuer.rfc4514_string()} as of {made}: {len(list(item))}")
        for entry in item:
            say(f"        serial {entry.serial_number:x}")


def _version(number: int) -> int:
    if not 1 <= number < 2**53:
        raise KeyRefused(
            what="not a version", which=str(number), remedy="count from 1, one more each time"
        )
    return number


def _revocation_lists(path: Path) -> list[str]:
    blocks = [
        block.decode("ascii")
        for label, block in pem_blocks(read_public(path))
        if label == _CRL_LABEL
    ]
    if not blocks:
        raise KeyRefused(
            what="no revocation list in it",
            which=str(path),
            remedy="name a CA's revoked.pem; roeh keys revoke --ca DIR writes it",
        )
    return blocks


def _is_there(path: Path, wanted: TrustList, root_pem: bytes) -> bool:
    """Whether the file holds this version already.

    It is not signed again: poles refuse two lists of one version that differ in a byte.

    Raises:
        KeyRefused: it holds this version or a later one, and says something else.
        AccessRefused: it is no trust list.
    """
    if not path.exists():
        return False
    held = read_trust_list(read_public(path, MAX_SIGNED_BYTES), root_pem, None).trust_list
    if held.version < wanted.version:
        return False
    is_same = (held.authorities, held.revocation_lists_pem) == (
        wanted.authorities,
        wanted.revocation_lists_pem,
    )
    if held.version > wanted.version or not is_same:
        raise KeyRefused(
            what=f"holds version {held.version}, which says something else",
            which=str(path),
            remedy=f"make version {held.version + 1}",
        )
    return True


def _root_inside(signed: bytes) -> bytes:
    """The certificate above the signer's in the object: believed only to show what it says."""
    chain = certificates_in(read_signed(signed).chain_pem)
    if not is_issued_by(chain[-1], chain[-1]):
        raise KeyRefused(
            what="no root came with it", which="the trust list", remedy="name it: --root ca.pem"
        )
    return certificate_pem(chain[-1])
