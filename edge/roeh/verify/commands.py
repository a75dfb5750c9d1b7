"""`roeh verify`: what is asked on the command line, and the answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509

from roeh.core.clock import SystemClock
from roeh.core.errors import KeyRefused
from roeh.keys.chain import TrustAnchors
from roeh.keys.key_pem import UNPARSABLE, certificates_in
from roeh.keys.revocation import RevocationLists, revocation_lists
from roeh.ledger.note import WitnessKey, parse_witness_key
from roeh.verify import places
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, Progress, verify
from roeh.verify.wording import write_report

_EPILOG = (
    "Exit status: 0 all is right; 32 something was not checked; 64 something is wrong, and with"
    " it 1 bytes, 2 signer, 4 completeness, 8 time, 16 custody; 29 there is nothing to verify."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `roeh verify`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "path",
        type=Path,
        help="an export bundle (.zip.age, .zip, unpacked), a segment, a clip, a directory of"
        " segments or a data_dir",
    )
    for option, metavar, text in (
        ("--trust", "ROOT.pem", "a root certificate that you trust; may be given more than once"),
        ("--crl", "LIST.pem", "a list of revoked certificates; may be given more than once"),
        ("--checkpoint", "FILE", "a checkpoint kept elsewhere; may be given more than once"),
        ("--witness", "KEYFILE", "a witness's public key; may be given more than once"),
        ("--certificates", "FILE.pem", "certificates of log keys, if not beside the ledger"),
        ("--identity", "KEYFILE", "a secret key of age, for an encrypted bundle; as --trust"),
        ("--tsa", "ROOT.pem", "a root of a time-stamping authority that you trust; as --trust"),
    ):
        parser.add_argument(
            option, action="append", type=Path, default=[], metavar=metavar, help=text
        )
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")


def run(chosen: argparse.Namespace) -> int:
    """Verify and print; the exit status.

    Raises:
        EvidenceRefused: there is nothing to verify, or a file named cannot be read.
        BundleRefused: a bundle that cannot be opened.
        KeyRefused: a root, list or key that is none.
    """
    on_progress = _show if sys.stderr.isatty() else _show_nothing
    report = verify(chosen.path, beliefs_of(chosen), SystemClock(), on_progress)
    if chosen.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        write_report(report, sys.stdout)
    return report.exit_status


def beliefs_of(chosen: argparse.Namespace) -> Beliefs:
    """What the options name, read.

    Raises:
        EvidenceRefused, KeyRefused: as `run`.
    """
    return Beliefs(
        anchors=read_anchors(chosen.trust, chosen.crl),
        checkpoints=tuple(
            NoteSource(path.name, places.read_text(path), is_own=False)
            for path in chosen.checkpoint
        ),
        witnesses=tuple(key for path in chosen.witness for key in _witness_keys(path)),
        certificates=tuple(places.read_text(path).encode() for path in chosen.certificates),
        identities=tuple(places.read_text(path) for path in chosen.identity),
        timestamp_roots=tuple(_roots(chosen.tsa)),
    )


def read_anchors(trust: Sequence[Path], crl: Sequence[Path]) -> TrustAnchors | None:
    """What the reader believes: roots and revocation lists; None without any root.

    A root that may vouch for nothing makes nobody trusted, and is no error.

    Raises:
        EvidenceRefused, KeyRefused: a file cannot be read, or holds none.
    """
    if not trust:
        return None
    lists = [each for path in crl for each in _lists(path)]
    return TrustAnchors(tuple(_roots(trust)), RevocationLists(tuple(lists)))


def _roots(paths: Sequence[Path]) -> list[x509.Certificate]:
    certificates: list[x509.Certificate] = []
    for path in paths:
        try:
            found = certificates_in(places.read_text(path).encode())
        except UNPARSABLE as error:
            raise _no_root(path, f"it cannot be read ({error})") from error
        if not found:
            raise _no_root(path, "it holds no certificate")
        certificates += found
    return certificates


def _lists(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    found = revocation_lists(places.read_text(path).encode()).lists
    if not found:
        raise KeyRefused(
            what="no revocation list in it",
            which=str(path),
            remedy="name a PEM file (X509 CRL) from the key keeper",
        )
    return found


def _no_root(path: Path, why: str) -> KeyRefused:
    return KeyRefused(
        what=f"not a root certificate: {why}",
        which=str(path),
        remedy="name a PEM file with the root's certificate",
    )


def _witness_keys(path: Path) -> list[WitnessKey]:
    lines = (line.strip() for line in places.read_text(path).splitlines())
    return [parse_witness_key(line) for line in lines if line and not line.startswith("#")]


def _show(progress: Progress) -> None:
    """Progress on one line of a terminal."""
    if not progress.files:
        sys.stderr.write(f"\rdecrypted {progress.bytes_done / 1e6:.0f} MB")
        return
    end = "\n" if progress.files_done == progress.files else ""
    sys.stderr.write(
        f"\rverified {progress.files_done} of {progress.files} files,"
        f" {progress.bytes_done / 1e6:.0f} MB{end}"
    )
    sys.stderr.flush()


def _show_nothing(_progress: Progress) -> None:
    """Nobody is watching."""
