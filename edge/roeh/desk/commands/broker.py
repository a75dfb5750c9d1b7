"""`roeh desk broker` and `roeh desk revoke`: the broker's files, written and kept up to date."""

from __future__ import annotations

import argparse
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock, SystemClock
from roeh.core.config import load_desk_config
from roeh.core.errors import EXIT_OK, ConfigError, DeskFailed, KeyRefused, OutputRefused
from roeh.desk.broker_files import (
    CONFIG_FILE,
    KEY_FILE,
    POLES,
    SERVICES,
    Listening,
    access_file,
    admitted,
    ca_file,
    configuration,
    list_file,
    poles_access,
    services_access,
)
from roeh.desk.commands import Adder
from roeh.keys.instants import as_text
from roeh.keys.safe_files import read_public, replace_private, replace_public
from roeh.keys.service_check import (
    CaWithList,
    check_counts,
    lists_in,
    node_ca,
    service_ca,
    service_file,
    with_list,
)
from roeh.keys.service_names import ServiceKind
from roeh.keys.trusted_pem import trusted_certificate_pem, trusted_certificates_in

#: From when on it is said that a list or the broker's certificate ends.
_SOON_DAYS = 60
_US_PER_DAY = 86_400 * NS_PER_S // NS_PER_US
_RESTART_S = 60


def add_actions(add: Adder) -> None:
    """The broker of a desk."""
    broker = add("broker", _broker, "Write the broker's configuration, access lists and CAs.")
    broker.add_argument("dir", type=Path, metavar="DIR", help="of the broker's files")
    broker.add_argument(
        "--node-ca", type=Path, action="append", required=True, metavar="FILE",
        help="ca.pem of a node CA; may be repeated",
    )  # fmt: skip
    broker.add_argument(
        "--service-ca", type=Path, required=True, metavar="FILE", help="ca.pem of the service CA"
    )
    broker.add_argument(
        "--revoked", type=Path, action="append", required=True, metavar="FILE",
        help="revoked.pem of each of these CAs",
    )  # fmt: skip
    broker.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="broker.pem of roeh keys service"
    )
    for option, text in (
        ("--site", "whose poles may come; those of desk.toml may"),
        ("--desk", "another ingester beside that of desk.toml"),
        ("--witness", "another witness beside that of desk.toml"),
        ("--operator", "a screen that sees all"),
    ):
        broker.add_argument(option, action="append", default=[], metavar="NAME", help=text)
    broker.add_argument("--poles-port", type=_port, default=8883, metavar="PORT")
    broker.add_argument("--services-port", type=_port, default=8884, metavar="PORT")
    broker.add_argument("--bind", default="", metavar="ADDRESS", help="default: all addresses")
    broker.add_argument("--user", default="mosquitto", help="of the broker, default %(default)s")
    broker.add_argument(
        "--state", type=Path, default=Path("/var/lib/mosquitto"), metavar="DIR",
        help="of its database, default %(default)s",
    )  # fmt: skip

    revoke = add("revoke", _revoke, "Give the broker new revocation lists, and end sessions.")
    revoke.add_argument("dir", type=Path, metavar="DIR", help="of the broker's files")
    revoke.add_argument("lists", type=Path, nargs="+", metavar="REVOKED.pem")
    revoke.add_argument(
        "--restart", metavar="UNIT", help="restart this systemd unit: ends live sessions"
    )


def _broker(chosen: argparse.Namespace) -> int:
    clock = SystemClock()
    who = admitted(
        load_desk_config(chosen.config),
        sites=chosen.site,
        desks=chosen.desk,
        witnesses=chosen.witness,
        operators=chosen.operator,
    )
    lists = lists_in(chosen.revoked)
    poles = [with_list(node_ca(path), lists) for path in chosen.node_ca]
    services = with_list(service_ca(chosen.service_ca), lists)
    own = service_file(chosen.key, ServiceKind.BROKER, services.certificate, clock)
    uid = _uid(chosen.user)
    directory: Path = chosen.dir
    _make(directory)
    listening = Listening(
        directory=str(directory.resolve()),
        state_dir=str(chosen.state.resolve()),
        user=chosen.user,
        poles_port=chosen.poles_port,
        services_port=chosen.services_port,
        bind=chosen.bind,
    )
    believed = {POLES: poles, SERVICES: [services]}
    for name, authorities in believed.items():
        for item in authorities:
            check_counts(item, clock)
        if (directory / ca_file(name)).exists():
            _check_not_older(authorities, _present(directory, name))
    changed = [_put_key(directory / KEY_FILE, own.content, uid)]
    for name, authorities in believed.items():
        changed.append(_put(directory / ca_file(name), _believed(authorities)))
        changed.append(_put(directory / list_file(name), _lists(authorities)))
    changed.append(_put(directory / access_file(POLES), poles_access(who).encode()))
    changed.append(_put(directory / access_file(SERVICES), services_access(who).encode()))
    changed.append(_put(directory / CONFIG_FILE, configuration(listening).encode()))
    _say(f"{directory / CONFIG_FILE}: poles on {chosen.poles_port}, the rest on "
         f"{chosen.services_port}; sites {', '.join(who.sites)}")  # fmt: skip
    _say(f"{own.name} until {as_text(own.until_utc_us)}{_soon(own.until_utc_us, clock)}")
    _tell_lists([*poles, services], clock)
    if not any(changed):
        _say("all of it was so already; nothing changed")
    return EXIT_OK


def _revoke(chosen: argparse.Namespace) -> int:
    clock = SystemClock()
    directory: Path = chosen.dir
    present = {name: _present(directory, name) for name in (POLES, SERVICES)}
    new = lists_in(chosen.lists)
    named = {item.issuer for item in new}
    known = {item.certificate.subject for items in present.values() for item in items}
    if named - known:
        raise KeyRefused(
            what="a list of a CA that this broker does not believe",
            which=", ".join(sorted(item.rfc4514_string() for item in named - known)),
            remedy="name the lists of its node CAs and its service CA",
        )
    for name, items in present.items():
        authorities = [
            with_list(item.certificate, new) if item.certificate.subject in named else item
            for item in items
        ]
        _check_not_older(authorities, items)
        for item in authorities:
            check_counts(item, clock)
        _put(directory / list_file(name), _lists(authorities))
        _tell_lists(authorities, clock)
    if chosen.restart:
        _restart(chosen.restart)
    else:
        _say("in force when the broker was restarted; until then live sessions go on")
    return EXIT_OK


def _restart(unit: str) -> None:
    try:
        subprocess.run(["systemctl", "restart", unit], check=True, timeout=_RESTART_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise DeskFailed(
            what=f"could not be restarted ({error})",
            which=unit,
            remedy="restart the broker by hand: until then revoked sessions go on",
        ) from error
    _say(f"{unit} restarted: who is revoked is out, the others come back by themselves")


def _present(directory: Path, listener: str) -> list[CaWithList]:
    """The CAs that a listener believes, with the lists that are there now.

    Raises:
        KeyRefused: they cannot be read.
    """
    certificates = trusted_certificates_in(read_public(directory / ca_file(listener)))
    lists = lists_in([directory / list_file(listener)])
    return [with_list(certificate, lists) for certificate in certificates]


def _check_not_older(authorities: Sequence[CaWithList], present: Sequence[CaWithList]) -> None:
    """Refuse to go back to a list on which somebody is not yet revoked."""
    numbers = {item.certificate: item.number for item in present}
    for item in authorities:
        if item.number < numbers.get(item.certificate, 0):
            raise KeyRefused(
                what=f"list {item.number} is older than the one in force",
                which=item.name,
                remedy="name the newest: revoked.pem in the CA's directory",
            )


def _lists(authorities: Sequence[CaWithList]) -> bytes:
    return b"".join(item.list_pem for item in authorities)


def _put(path: Path, content: bytes) -> bool:
    """Write a file; False when it is so already, and keeps its time of change."""
    if path.exists() and read_public(path) == content:
        return False
    replace_public(path, content)
    return True


def _put_key(path: Path, content: bytes, uid: int) -> bool:
    """Likewise a key, its owner's alone."""
    if path.exists():
        status = path.stat()
        is_owners = status.st_uid == uid and stat.S_IMODE(status.st_mode) == 0o600
        if is_owners and read_public(path) == content:
            return False
    replace_private(path, content, uid)
    return True


def _believed(authorities: Sequence[CaWithList]) -> bytes:
    return b"".join(
        trusted_certificate_pem(item.certificate, ExtendedKeyUsageOID.CLIENT_AUTH)
        for item in authorities
    )


def _tell_lists(authorities: Sequence[CaWithList], clock: Clock) -> None:
    for item in authorities:
        _say(
            f"{item.name}: {item.revoked} revoked, list {item.number} counts until "
            f"{as_text(item.until_utc_us)}{_soon(item.until_utc_us, clock)}"
        )


def _soon(until_utc_us: int, clock: Clock) -> str:
    days = (until_utc_us - clock.read().t_utc_ns // NS_PER_US) // _US_PER_DAY
    return f"  ENDS IN {days} DAYS" if days < _SOON_DAYS else ""


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be made ({error.strerror})",
            which=str(directory),
            remedy="name a place that can be written to",
        ) from error


def _uid(user: str) -> int:
    """Whose the broker's key is: mosquitto reads it as its own user. Who is not root keeps it."""
    if os.geteuid() != 0:
        return os.geteuid()
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"--user {user}",
            remedy="install mosquitto first, or name the user that it runs as",
        ) from None


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else 0
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be from 1 to 65535")
    return port


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
