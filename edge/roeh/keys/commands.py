"""`roeh keys`: the ceremony between an offline key keeper and a pole (edge/docs/keys.md)."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
from pathlib import Path

import msgspec
from cryptography import x509

from roeh.core.clock import SystemClock
from roeh.core.config import NodeConfig, load_config
from roeh.core.errors import EXIT_OK, KeyRefused
from roeh.keys import enrolment_commands, person_commands, release_commands, service_commands
from roeh.keys.asking import (
    Action,
    Adder,
    add_new_passphrase,
    new_passphrase,
    passphrase_from,
    positive_days,
    say,
)
from roeh.keys.authority import LEAF_DAYS, LIST_FILE, AuthorityDirectory
from roeh.keys.home_credential import DIRECTORY_VARIABLE
from roeh.keys.home_file import FileHome
from roeh.keys.instants import as_text
from roeh.keys.key_pem import REQUEST_LABEL, pem_blocks
from roeh.keys.new_authority import create_ca, create_root
from roeh.keys.open import KeyHome, key_home, key_sets, node_name
from roeh.keys.person_certificates import AuthorityClass
from roeh.keys.pole import KeyState, Pole
from roeh.keys.requests import NAME
from roeh.keys.safe_files import read_public, replace_public
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.tls_files import tls_copies
from roeh.keys.tokens import TokenBook

_US_PER_DAY = 86_400_000_000
#: From when on `show` says that a certificate ends soon.
_SOON_DAYS = 60

_REASONS = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "superseded": x509.ReasonFlags.superseded,
    "out-of-service": x509.ReasonFlags.cessation_of_operation,
}

_CA_NAMES = {
    "nodes": (AuthorityClass.DEVICE, "node CA"),
    "police": (AuthorityClass.POLICE, "police CA"),
    "staff": (AuthorityClass.STAFF, "staff CA"),
}


def add_arguments(parser: argparse.ArgumentParser) -> Adder:
    """The actions of `roeh keys` with their options; and how another one is added."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, action: Action | None, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text)
        if action is not None:
            added.set_defaults(action=action)
        return added

    for part in (service_commands, enrolment_commands, person_commands, release_commands):
        part.add_actions(add)

    root = add("root", _root, "Offline: make a city's root.")
    root.add_argument("dir", type=Path, metavar="DIR")
    root.add_argument("--name", default="Roeh root", help="its name, default %(default)r")
    add_new_passphrase(root)

    authority = add("ca", _ca, "Offline: make a CA under a root: for nodes, police or staff.")
    authority.add_argument("dir", type=Path, metavar="DIR")
    authority.add_argument("--root", type=Path, required=True, metavar="DIR")
    authority.add_argument(
        "--for", choices=sorted(_CA_NAMES), default="nodes", dest="kind", help="default nodes"
    )
    authority.add_argument("--name", help="its name, default 'Roeh node CA' and so on")
    authority.add_argument("--root-passphrase-file", type=Path, metavar="FILE")
    add_new_passphrase(authority)

    request = add("request", _request, "Pole: make the first keys, write requests for them.")
    _add_config(request)
    request.add_argument("--out", type=Path, metavar="FILE", help="default SITE-NODE.csr.pem")
    enrolment_commands.add_token_file(request)

    sign = add("sign", _sign, "Offline: check a node's requests and sign its certificates.")
    sign.add_argument("requests", type=Path, metavar="REQUESTS")
    sign.add_argument(
        "--enrol",
        action="store_true",
        help="only with a token; REQUESTS may be a directory of *.csr.pem, --out then one too",
    )
    sign.add_argument("--ca", type=Path, required=True, metavar="DIR", help="the node CA")
    sign.add_argument("--out", type=Path, required=True, metavar="FILE", help="certificates")
    sign.add_argument(
        "--days", type=positive_days, default=LEAF_DAYS, metavar="N", help="default 1095"
    )
    sign.add_argument("--passphrase-file", type=Path, metavar="FILE")

    install = add("install", _install, "Pole: bring keys into force with their certificates.")
    install.add_argument("certificates", type=Path, metavar="CERTS")
    _add_config(install)

    show = add("show", _show, "Pole: what is in force, until when, and who vouches for it.")
    _add_config(show)
    show.add_argument("--json", action="store_true", help="one JSON line a key")

    rotate = add("rotate", _rotate, "Pole: make a new key beside the old, write its request.")
    rotate.add_argument(
        "usage", nargs="+", choices=[usage.value for usage in KeyUsage] + ["all"], metavar="USAGE",
        help="media, log, manifest, tls, or all",
    )  # fmt: skip
    _add_config(rotate)
    rotate.add_argument("--out", type=Path, metavar="FILE", help="default SITE-NODE-USAGE.csr.pem")
    enrolment_commands.add_token_file(rotate)

    revoke = add("revoke", _revoke, "Offline: revoke a certificate, or only renew the list.")
    which = revoke.add_mutually_exclusive_group()
    which.add_argument("serial", nargs="?", metavar="SERIAL", help="hexadecimal")
    which.add_argument("--pole", type=_pole_name, metavar="SITE/POLE", help="all of this pole")
    revoke.add_argument("--ca", type=Path, required=True, metavar="DIR", help="who signed it")
    revoke.add_argument("--reason", choices=sorted(_REASONS), default="unspecified")
    revoke.add_argument(
        "--compromised-since",
        type=_instant,
        metavar="UTC",
        help="2026-11-23T04:00:00Z: nothing it signed since then counts",
    )
    revoke.add_argument("--passphrase-file", type=Path, metavar="FILE")
    return add


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: Action = chosen.action
    return action(chosen)


def _root(chosen: argparse.Namespace) -> int:
    is_new = create_root(chosen.dir, chosen.name, new_passphrase(chosen), SystemClock())
    say(f"root {'made' if is_new else 'is there'}: {chosen.dir}")
    if is_new:
        say("keep it offline; give ca.pem, and only that, to whoever verifies")
    return EXIT_OK


def _ca(chosen: argparse.Namespace) -> int:
    root = AuthorityDirectory(chosen.root, passphrase_from(chosen.root_passphrase_file))
    passphrase = new_passphrase(chosen)
    authority_class, name = _CA_NAMES[chosen.kind]
    is_new = create_ca(
        chosen.dir,
        chosen.name or f"Roeh {name}",
        root,
        passphrase,
        SystemClock(),
        authority_class=authority_class,
    )
    say(f"{name} {'made' if is_new else 'is there'}: {chosen.dir}")
    return EXIT_OK


def _request(chosen: argparse.Namespace) -> int:
    config, pole = _pole(chosen)
    if pole.is_provisioned():
        raise KeyRefused(
            what="the node has certificates",
            which=str(node_name(config)),
            remedy="replace its keys: roeh keys rotate USAGE (or all)",
        )
    return _write_requests(chosen, config, pole, list(KeyUsage), "")


def _rotate(chosen: argparse.Namespace) -> int:
    config, pole = _pole(chosen)
    if not pole.is_provisioned():
        raise KeyRefused(
            what="the node has no certificates yet",
            which=str(node_name(config)),
            remedy="make the first keys: roeh keys request",
        )
    usages = [usage for usage in KeyUsage if {usage.value, "all"} & set(chosen.usage)]
    return _write_requests(chosen, config, pole, usages, f"-{'-'.join(chosen.usage)}")


def _write_requests(
    chosen: argparse.Namespace,
    config: NodeConfig,
    pole: Pole,
    usages: list[KeyUsage],
    suffix: str,
) -> int:
    requests = pole.request(usages)
    name = f"{config.node.site}-{config.node.name}{suffix}.csr.pem"
    path: Path = chosen.out or Path(name)
    replace_public(
        path, enrolment_commands.with_enrolment(requests, node_name(config), chosen.token_file)
    )
    say(f"{path}: requests for {', '.join(usage.value for usage in usages)}")
    say(f"sha256 {hashlib.sha256(requests).hexdigest()}  (roeh keys sign shows it too)")
    say("the keys in force stay so until roeh keys install")
    return EXIT_OK


def _sign(chosen: argparse.Namespace) -> int:
    if chosen.enrol:
        authority = AuthorityDirectory(chosen.ca, passphrase_from(chosen.passphrase_file))
        return enrolment_commands.sign(chosen, authority)
    content = read_public(chosen.requests)
    requests = b"".join(block for label, block in pem_blocks(content) if label == REQUEST_LABEL)
    say(f"requests: sha256 {hashlib.sha256(requests).hexdigest()}")
    authority = AuthorityDirectory(chosen.ca, passphrase_from(chosen.passphrase_file))
    certificates, issued = authority.sign(content, chosen.days, SystemClock())
    replace_public(chosen.out, certificates)
    for item in issued:
        again = ", as before" if item.was_there else ""
        say(
            f"{item.usage.value:8} {item.name}  serial {item.serial}  "
            f"until {as_text(item.until_utc_us)}{again}"
        )
    say(f"{chosen.out}: for roeh keys install")
    return EXIT_OK


def _install(chosen: argparse.Namespace) -> int:
    config, pole = _pole(chosen)
    changed = pole.install(read_public(chosen.certificates))
    if not changed:
        say("in force already; nothing changed")
        return EXIT_OK
    say(f"in force: {', '.join(usage.value for usage in changed)}")
    if changed != [KeyUsage.TLS]:
        say("evidence takes them up at its next start; until then it signs with the old ones")
    if KeyUsage.TLS in changed:
        for copy in tls_copies(config):
            say(f"{copy.process} has {copy.path} and takes it up by itself")
    if config.keys.home == "credential":
        sets = key_sets(config)
        for usage in changed:
            if usage is KeyUsage.TLS:
                continue
            path = sets.path(sets.newest()) / f"{usage.value}.pem"
            say(f"systemd-creds encrypt --name={path.name} {path} DIR/roeh-{path.name}")
        say("then LoadCredentialEncrypted= of each in evidence's unit, and remove the plain ones")
    return EXIT_OK


def _show(chosen: argparse.Namespace) -> int:
    _, pole = _pole(chosen)
    now_us = SystemClock().read().t_utc_ns // 1000
    states = pole.states()
    provisioned = all(state.is_provisioned for state in states)
    for state in states:
        say(msgspec.json.encode(state).decode() if chosen.json else _in_words(state, now_us))
    if not chosen.json and provisioned:
        for process in pole.without_tls():
            say(f"{process} has another key for TLS, or none: roeh keys install CERTS, once more")
    if not chosen.json and not provisioned:
        say("UNPROVISIONED: the node vouches for itself; roeh keys request begins the ceremony")
    return EXIT_OK


def _in_words(state: KeyState, now_us: int) -> str:
    days = (state.until_utc_us - now_us) // _US_PER_DAY
    if days < 0:
        ends = "  EXPIRED"
    elif days < _SOON_DAYS:
        ends = f"  ends in {days} days"
    else:
        ends = ""
    waiting = "  (a new key waits for its certificate)" if state.is_waiting else ""
    provisioned = "provisioned" if state.is_provisioned else "UNPROVISIONED"
    return (
        f"{state.usage.value:8} {state.home:10} {provisioned:13} {state.node}  "
        f"serial {state.serial}  until {as_text(state.until_utc_us)}{ends}{waiting}\n"
        f"         sha256 {state.sha256}"
    )


def _revoke(chosen: argparse.Namespace) -> int:
    authority = AuthorityDirectory(chosen.ca, passphrase_from(chosen.passphrase_file))
    if chosen.pole is not None:
        return _revoke_pole(chosen, authority)
    path = authority.revoke(
        chosen.serial,
        SystemClock(),
        reason=_REASONS[chosen.reason],
        compromised_since=chosen.compromised_since,
    )
    say(f"{path}: give it to whoever verifies")
    if chosen.serial:
        say("what it signed counts only where a witness saw it before the revocation")
    return EXIT_OK


def _revoke_pole(chosen: argparse.Namespace, authority: AuthorityDirectory) -> int:
    for record in TokenBook(chosen.ca).withdraw_all(chosen.pole):
        say(f"withdrawn: token {record.id} of {record.name}")
    serials = authority.revoke_pole(
        chosen.pole,
        SystemClock(),
        reason=_REASONS[chosen.reason],
        compromised_since=chosen.compromised_since,
    )
    if not serials:
        say(f"{chosen.pole}: revoked already; nothing changed")
        return EXIT_OK
    say(f"{chosen.pole}: revoked {', '.join(serials)}")
    say(f"{chosen.ca / LIST_FILE}: give it to whoever verifies")
    say("what they signed counts only where a witness saw it before the revocation")
    return EXIT_OK


def _pole(chosen: argparse.Namespace) -> tuple[NodeConfig, Pole]:
    config = load_config(chosen.config)
    sets = key_sets(config)
    home: KeyHome = key_home(config)
    if config.keys.home == "credential" and DIRECTORY_VARIABLE not in os.environ:
        # Outside the unit only what was prepared for systemd can be seen.
        home = FileHome(sets)
    return config, Pole(node_name(config), home, config.keys.home, sets, tls_copies(config))


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )


def _pole_name(text: str) -> NodeName:
    site, _, node = text.partition("/")
    if not (NAME.fullmatch(site) and NAME.fullmatch(node)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like haifa/pole-7")
    return NodeName(site=site, node=node)


def _instant(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 2026-11-23T04:00:00Z") from None
    return moment.replace(tzinfo=datetime.timezone.utc)
