"""`roeh keys person`: a person's key, their certificate, and a file for their phone's browser."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK
from roeh.core.retrieval import PersonRole
from roeh.keys.asking import (
    Action,
    Adder,
    add_new_passphrase,
    new_passphrase,
    passphrase_from,
    positive_days,
    say,
)
from roeh.keys.authority import AuthorityDirectory
from roeh.keys.instants import as_text
from roeh.keys.person_certificates import person_name
from roeh.keys.persons import (
    PERSON_DAYS,
    make_person_request,
    open_person_key,
    person_p12,
    sign_person,
)
from roeh.keys.safe_files import read_public, replace_private, replace_public


def add_actions(add: Adder) -> None:
    """The actions with their options."""
    text = "A person: make their key and request, certify them, put both on a phone."
    person = add("person", None, text)
    steps = person.add_subparsers(title="steps", metavar="STEP", required=True)

    def add_step(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = steps.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    request = add_step("request", _request, "Person: make a key, write a request for it.")
    request.add_argument("key", type=Path, metavar="KEY", help="the key's file; used when there")
    request.add_argument("--name", required=True, help="as people write it")
    request.add_argument("--number", required=True, help="of service; tells persons apart")
    request.add_argument("--organisation", required=True)
    request.add_argument("--out", type=Path, required=True, metavar="FILE", help="the request")
    add_new_passphrase(request)

    sign = add_step("sign", _sign, "Offline: certify a person for one role.")
    sign.add_argument("request", type=Path, metavar="REQUEST")
    sign.add_argument("--ca", type=Path, required=True, metavar="DIR", help="police CA or staff CA")
    sign.add_argument("--role", required=True, choices=[role.value for role in PersonRole])
    sign.add_argument("--out", type=Path, required=True, metavar="FILE", help="the certificate")
    sign.add_argument(
        "--days", type=positive_days, default=PERSON_DAYS, metavar="N", help="default %(default)s"
    )
    sign.add_argument("--renew", action="store_true", help="another one, also while one counts")
    sign.add_argument("--passphrase-file", type=Path, metavar="FILE")

    p12 = add_step("p12", _p12, "Person: key and certificate as a browser or phone takes them.")
    p12.add_argument("key", type=Path, metavar="KEY")
    p12.add_argument("--certificate", type=Path, required=True, metavar="FILE")
    p12.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .p12 file")
    p12.add_argument("--key-passphrase-file", type=Path, metavar="FILE", help="of the key")
    p12.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the .p12 file")
    p12.add_argument("--for-old-phones", action="store_true", help="3DES and SHA-1")
    # A file that travels is always encrypted.
    p12.set_defaults(plain=False)


def _request(chosen: argparse.Namespace) -> int:
    person = person_name(chosen.number, chosen.name, chosen.organisation)
    request, is_new = make_person_request(
        chosen.key,
        person,
        lambda: new_passphrase(chosen, chosen.key),
        passphrase_from(chosen.passphrase_file),
    )
    replace_public(chosen.out, request)
    say(f"{chosen.key}: key {'made' if is_new else 'is there'}; it stays with its person")
    say(f"{chosen.out}: the request of {person.name} ({person.number}), for roeh keys person sign")
    say(f"sha256 {hashlib.sha256(request).hexdigest()}")
    return EXIT_OK


def _sign(chosen: argparse.Namespace) -> int:
    content = read_public(chosen.request)
    say(f"request: sha256 {hashlib.sha256(content).hexdigest()}")
    certificates, issued = sign_person(
        AuthorityDirectory(chosen.ca, passphrase_from(chosen.passphrase_file)),
        content,
        PersonRole(chosen.role),
        days=chosen.days,
        renew=chosen.renew,
        clock=SystemClock(),
    )
    replace_public(chosen.out, certificates)
    person, again = issued.person, ", as before" if issued.was_there else ""
    say(
        f"{issued.role.value}  {person.name}, {person.organisation}, number {person.number}  "
        f"serial {issued.serial}  until {as_text(issued.until_utc_us)}{again}"
    )
    if issued.others:
        say(f"the same person by number: serial {', '.join(issued.others)}")
    say(f"{chosen.out}: certificate and CA, for the person; nothing in it is secret")
    return EXIT_OK


def _p12(chosen: argparse.Namespace) -> int:
    key = open_person_key(
        chosen.key, chosen.certificate, passphrase_from(chosen.key_passphrase_file)
    )
    passphrase = new_passphrase(chosen, chosen.out)
    assert passphrase is not None
    content = person_p12(key, passphrase, for_old_phones=chosen.for_old_phones)
    replace_private(chosen.out, content, os.geteuid())
    say(f"{chosen.out}: import it on the phone, then remove it here and there")
    return EXIT_OK
