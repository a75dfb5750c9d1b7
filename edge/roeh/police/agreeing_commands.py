"""`roeh police approve`: a second person's word on a request."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.access.people import is_same_person
from roeh.core.clock import NS_PER_US, SystemClock
from roeh.core.errors import EXIT_OK, AccessRefused, ConfigError, OutputRefused
from roeh.core.moments import utc_argument
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.keys.asking import Adder
from roeh.keys.safe_files import replace_public
from roeh.police.answers import Export, ToApprove
from roeh.police.asking import ReadRequest, made_approval, read_any_request, signed_approval
from roeh.police.options import add_json, add_key, add_pole, pole_of
from roeh.police.patience import at_once
from roeh.police.person import (
    Card,
    SigningPerson,
    card_person,
    card_pin,
    file_person,
    key_passphrase,
)
from roeh.police.pole import SIGNED_TYPE
from roeh.police.screen import agreed, say, say_json, show_lines
from roeh.police.wording import approval_lines, request_lines

_DEFAULT_US = 7 * 86_400 * 1_000_000


def add_actions(add: Adder) -> None:
    """The command with its options."""
    approved = add("approve", _approve, "Agree to a request, or refuse it, under your signature.")
    approved.add_argument("request", metavar="REQUEST.p7m|POLE_URL", help="what is asked for")
    approved.add_argument("id", nargs="?", metavar="ID", help="of the export, at a pole")
    add_key(approved, required=False)
    add_pole(approved, required=False, is_online=False)
    card = approved.add_argument_group("a card in the key's place")
    card.add_argument("--pkcs11", type=Path, metavar="MODULE", help="its PKCS#11 library")
    card.add_argument("--token", metavar="LABEL", help="which token")
    card.add_argument("--key-label", metavar="LABEL", help="which key on it")
    card.add_argument(
        "--card-cert",
        type=Path,
        metavar="FILE",
        help="the certificate of the card's key; default: on the card",
    )
    card.add_argument("--pin-file", type=Path, metavar="FILE", help="its first line")
    approved.add_argument("--refuse", action="store_true", help="refuse it instead")
    approved.add_argument(
        "--expires", type=utc_argument, metavar="UTC", help="until when it counts; default 7 days"
    )
    approved.add_argument("--note", default="", metavar="TEXT", help="why, for the record")
    approved.add_argument(
        "--out", type=Path, metavar="FILE", help="write it here; default approval.p7m, or the pole"
    )
    approved.add_argument("--yes", action="store_true", help="do not ask, I have read it")
    add_json(approved)


def _approve(chosen: argparse.Namespace) -> int:
    if chosen.id is None:
        _check_new(_out(chosen))
        signed = _agree(chosen, read_any_request(_content(Path(chosen.request))))
        return _written(_out(chosen), signed)
    chosen.url = chosen.request
    if chosen.out is not None:
        _check_new(chosen.out)
    with contextlib.closing(pole_of(chosen)) as pole:
        path = f"/exports/{chosen.id}"
        held = at_once(lambda: pole.get(f"{path}/to-approve", ToApprove))
        asked = msgspec.structs.replace(
            read_any_request(held.request.encode()), told=held.requester
        )
        is_theirs = is_same_person(asked.request.requester_number, held.requester.number)
        if asked.request.id != chosen.id or not is_theirs:
            raise AccessRefused(
                what="the pole shows another request",
                which=f"{asked.request.id} in place of {chosen.id}",
                remedy="do not agree; tell the technician",
            )
        signed = _agree(chosen, asked)
        if chosen.out is not None:
            return _written(chosen.out, signed)
        export = at_once(lambda: pole.post(f"{path}/approval", signed, SIGNED_TYPE, Export))
    if chosen.json:
        say_json(export)
    else:
        say(f"the pole has it: export {export.id} is {export.state}")
    return EXIT_OK


def _agree(chosen: argparse.Namespace, asked: ReadRequest) -> bytes:
    with _signer(chosen) as signer:
        return _signed(chosen, asked, signer)


def _out(chosen: argparse.Namespace) -> Path:
    return chosen.out or Path("approval.p7m")


def _written(out: Path, signed: bytes) -> int:
    replace_public(out, signed)
    say(f"{out}: take it to the pole, with the request")
    return EXIT_OK


def _check_new(path: Path) -> None:
    if os.path.lexists(path):
        raise OutputRefused(
            what="there is a file of that name", which=str(path), remedy="name another: --out"
        )


def _signed(chosen: argparse.Namespace, asked: ReadRequest, signer: SigningPerson) -> bytes:
    """What the person agreed to after they saw it, signed."""
    now_us = SystemClock().read().t_utc_ns // NS_PER_US
    approval = made_approval(
        asked.request,
        signer.person,
        "refused" if chosen.refuse else "approved",
        now_utc_us=now_us,
        expires_utc_us=chosen.expires or now_us + _DEFAULT_US,
        note=chosen.note,
    )
    if not (chosen.json and chosen.yes):
        show_lines("The request", request_lines(asked.request, asked.signer, asked.told))
        show_lines("Your approval", approval_lines(approval, signer.person))
    agreed("Refuse this?" if chosen.refuse else "Agree to this?", is_said=chosen.yes)
    return signed_approval(approval, signer, now_us)


@contextlib.contextmanager
def _signer(chosen: argparse.Namespace) -> Iterator[SigningPerson]:
    if chosen.pkcs11 is None:
        if chosen.key is None:
            raise ConfigError(
                what="nothing to sign with",
                which="roeh police approve",
                remedy="give --key, or --pkcs11 with --token and --key-label",
            )
        passphrase = key_passphrase(chosen.key, chosen.passphrase_file)
        yield file_person(chosen.cert or chosen.key, chosen.key, passphrase)
        return
    if not chosen.token or not chosen.key_label:
        raise ConfigError(
            what="not clear which key signs",
            which="--pkcs11",
            remedy="give --token and --key-label as well",
        )
    card = Card(module=chosen.pkcs11, token=chosen.token, label=chosen.key_label)
    with card_person(card, card_pin(card, chosen.pin_file), chosen.card_cert) as person:
        yield person


def _content(path: Path) -> bytes:
    """A signed object that somebody names."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_SIGNED_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            what=f"cannot be read ({error.strerror})",
            which=str(path),
            remedy="name the request as roeh police request wrote it",
        ) from error
