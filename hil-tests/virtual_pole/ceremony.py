"""The city's keys, made as edge/docs/keys.md and broker.md say, with the product's own commands.

All of it lies in the state directory, as on a key keeper's sticks. `handover` is what goes to the
control room; nobody else gets a private key.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from virtual_pole.commands import output, together
from virtual_pole.street import REPOSITORY, Street

ROEH = REPOSITORY / ".venv/bin/roeh"
DESK = "street"
WITNESS = "witness"
OPERATOR = "control-1"

#: Of a CA that is thrown away with the street.
_WORDS = "a key keeper's, for trials"
_WORDS_FILE = "nodes.passphrase"
#: What the control room gets of the key keeper's stick; the root's key is not in it.
_HANDED = (
    "root/ca.pem",
    "root/revoked.pem",
    "nodes",
    _WORDS_FILE,
    "services/ca.pem",
    "services/broker-ca.pem",
    "services/revoked.pem",
    "broker",
    "desk",
    "witness",
    "screen",
    "trust-list.p7m",
)


class Officer(msgspec.Struct, frozen=True):
    """A person of the police, and what they have.

    Attributes:
        name: as people write it.
        number: of service.
        role: as their certificate says.
        key: the private key's file.
        certificate: its certificate, with the police CA's.
    """

    name: str
    number: str
    role: str
    key: Path
    certificate: Path


class Keys(msgspec.Struct, frozen=True):
    """What was made.

    Attributes:
        stick: the key keeper's.
        investigator: asks for evidence.
        approver: agrees.
    """

    stick: Path
    investigator: Officer
    approver: Officer

    @property
    def root(self) -> Path:
        """The city's root certificate."""
        return self.stick / "root/ca.pem"

    @property
    def handed(self) -> tuple[str, ...]:
        """What goes to the control room, by its name on the stick."""
        return _HANDED


def hold(street: Street) -> Keys:
    """The ceremony, from nothing: whatever was left of another is gone.

    Raises:
        PoleFailed: a command refused.
    """
    stick, people = street.state / "keys", street.state / "officers"
    for directory in (stick, people):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
    _keys(stick, "root", "root", "--name", "Street root", "--plain")
    (stick / _WORDS_FILE).write_text(f"{_WORDS}\n")
    broker = street.place("control-1").address
    together(
        lambda: _nodes(stick),
        lambda: _services(stick, broker),
        lambda: _keys(stick, *("ca", "police", "--for", "police", "--plain", *_UNDER_ROOT)),
        lambda: _keys(stick, *("trust-list", "signer", "trust.pem", "--plain", *_UNDER_ROOT)),
        lambda: _keys(stick, "revoke", "--ca", "root"),
    )
    investigator = _officer(people, "Ben Amar", "1001", "investigator")
    approver = _officer(people, "Dana Cohen", "1002", "approver")
    together(
        lambda: _certify(stick, investigator),
        lambda: _certify(stick, approver),
        lambda: _keys(stick, "revoke", "--ca", "police"),
    )
    lists = [
        part for name in ("root", "nodes", "police") for part in ("--crl", f"{name}/revoked.pem")
    ]
    _keys(
        stick,
        *("trust-list", "make", "--signer", "trust.pem", "--version", "1"),
        *("--device", "nodes/ca.pem", "--police", "police/ca.pem", *lists),
        *("--out", "trust-list.p7m"),
    )
    return Keys(stick=stick, investigator=investigator, approver=approver)


_UNDER_ROOT = ("--root", "root")


def _nodes(stick: Path) -> None:
    word = ("--passphrase-file", _WORDS_FILE)
    _keys(stick, "ca", "nodes", "--name", "Street nodes", *_UNDER_ROOT, *word)
    _keys(stick, "revoke", "--ca", "nodes", *word)


def _services(stick: Path, broker: str) -> None:
    _keys(stick, "service-ca", "services", "--name", "Street services", "--plain", *_UNDER_ROOT)
    for name, kind, where in (
        (DESK, "broker", "broker"),
        (DESK, "desk", "desk"),
        (DESK, "republish", "desk"),
        (WITNESS, "witness", "witness"),
        (OPERATOR, "operator", "screen"),
    ):
        host = ("--host", broker) if kind == "broker" else ()
        made = ("--kind", kind, "--ca", "services", "--out", where)
        _keys(stick, "service", name, *made, *host)
    _keys(stick, "revoke", "--ca", "services")


def _officer(people: Path, name: str, number: str, role: str) -> Officer:
    return Officer(name, number, role, people / f"{role}.key.pem", people / f"{role}.pem")


def _certify(stick: Path, officer: Officer) -> None:
    request = officer.key.with_suffix(".csr")
    _keys(
        stick,
        *("person", "request", str(officer.key), "--name", officer.name, "--plain"),
        *("--number", officer.number, "--organisation", "Street police", "--out", str(request)),
    )
    _keys(
        stick,
        *("person", "sign", str(request), "--ca", "police", "--role", officer.role),
        *("--out", str(officer.certificate)),
    )


def _keys(stick: Path, *words: str) -> None:
    output([str(ROEH), "keys", *words], directory=stick)
