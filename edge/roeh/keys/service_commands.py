"""`roeh keys service-ca`, `service` and `issued`: the control room's side of the ceremony."""

from __future__ import annotations

import argparse
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK
from roeh.keys.asking import (
    Adder,
    add_new_passphrase,
    new_passphrase,
    passphrase_from,
    positive_days,
    say,
)
from roeh.keys.authority import AuthorityDirectory, issued_in
from roeh.keys.instants import as_text
from roeh.keys.new_authority import create_service_ca
from roeh.keys.service_names import ServiceKind, service_name
from roeh.keys.services import SERVICE_DAYS, issue_service


def add_actions(add: Adder) -> None:
    """The actions with their options."""
    authority = add("service-ca", _service_ca, "Offline: make a CA for brokers and control rooms.")
    authority.add_argument("dir", type=Path, metavar="DIR")
    authority.add_argument("--root", type=Path, required=True, metavar="DIR")
    authority.add_argument(
        "--name", default="Roeh service CA", help="its name, default %(default)r"
    )
    authority.add_argument("--root-passphrase-file", type=Path, metavar="FILE")
    add_new_passphrase(authority)

    service = add("service", _service, "Offline: key and certificate of a broker or desk.")
    service.add_argument("name", metavar="NAME", help="a-z, 0-9 and -")
    service.add_argument("--kind", required=True, choices=[kind.value for kind in ServiceKind])
    service.add_argument("--ca", type=Path, required=True, metavar="DIR", help="the service CA")
    service.add_argument("--out", type=Path, required=True, metavar="DIR", help="its holder's")
    service.add_argument(
        "--host", action="append", default=[], metavar="HOST", help="of a broker; may be repeated"
    )
    service.add_argument(
        "--days", type=positive_days, default=SERVICE_DAYS, metavar="N", help="default %(default)s"
    )
    service.add_argument("--renew", action="store_true", help="a new key, also where one is there")
    service.add_argument("--passphrase-file", type=Path, metavar="FILE")

    issued = add("issued", _issued, "Offline: what a CA has signed, and what of it is revoked.")
    issued.add_argument("--ca", type=Path, required=True, metavar="DIR")


def _service_ca(chosen: argparse.Namespace) -> int:
    root = AuthorityDirectory(chosen.root, passphrase_from(chosen.root_passphrase_file))
    passphrase = new_passphrase(chosen)
    is_new = create_service_ca(chosen.dir, chosen.name, root, passphrase, SystemClock())
    say(f"service CA {'made' if is_new else 'is there'}: {chosen.dir}")
    say("broker-ca.pem in it is what poles and desks believe the broker by")
    return EXIT_OK


def _service(chosen: argparse.Namespace) -> int:
    name = service_name(ServiceKind(chosen.kind), chosen.name)
    made = issue_service(
        AuthorityDirectory(chosen.ca, passphrase_from(chosen.passphrase_file)),
        name,
        chosen.host,
        chosen.out,
        days=chosen.days,
        renew=chosen.renew,
        clock=SystemClock(),
    )
    again = ", as before" if made.was_there else ""
    say(f"{made.name}  serial {made.serial}  until {as_text(made.until_utc_us)}{again}")
    say(f"{made.path}: key and certificate, for its holder alone")
    return EXIT_OK


def _issued(chosen: argparse.Namespace) -> int:
    for item in issued_in(chosen.ca):
        revoked = "  REVOKED" if item.is_revoked else ""
        say(f"{item.subject}  serial {item.serial}  until {as_text(item.until_utc_us)}{revoked}")
    return EXIT_OK
