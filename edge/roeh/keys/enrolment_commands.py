"""`roeh keys token`, `tokens` and `serial`, and the enrolment's part of `request` and `sign`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.board_serial import board_serial, parsed_serial
from roeh.core.clock import NS_PER_US, Clock, SystemClock
from roeh.core.errors import EXIT_OK, KeyRefused, TokenRefused
from roeh.keys.asking import Adder, positive_hours, say
from roeh.keys.authority import AuthorityDirectory
from roeh.keys.enrolment import Token, enrolment_request
from roeh.keys.instants import as_text
from roeh.keys.requests import NAME
from roeh.keys.safe_files import opened_directory, read_private, read_public, replace_public
from roeh.keys.signer import NodeName
from roeh.keys.tokens import Enrolled, TokenBook, TokenRecord, sign_enrolment

_VALID_H = 48
_REQUESTS = "*.csr.pem"
CERTIFICATES = ".certificates.pem"


def add_actions(add: Adder) -> None:
    """The actions with their options."""
    token = add("token", _token, "Control room: a one-time token for a pole on one board.")
    token.add_argument("pole", metavar="POLE", help="its name")
    token.add_argument("--site", required=True)
    token.add_argument("--serial", required=True, help="of the board: roeh keys serial, there")
    token.add_argument("--ca", type=Path, required=True, metavar="DIR", help="the node CA")
    token.add_argument(
        "--valid-h", type=positive_hours, default=_VALID_H, metavar="N", help="default %(default)s"
    )

    tokens = add("tokens", _tokens, "Control room: the tokens of a CA, or withdraw one.")
    tokens.add_argument("--ca", type=Path, required=True, metavar="DIR", help="the node CA")
    tokens.add_argument("--withdraw", metavar="TOKEN", help="its id, or SITE/POLE")
    tokens.add_argument("--json", action="store_true", help="one JSON line a token")

    add("serial", _serial, "Pole: the board's serial number, which a token is bound to.")


def add_token_file(parser: argparse.ArgumentParser) -> None:
    """Where the token is, for a command that makes requests."""
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a token's, mode 0600: prove whose they are"
    )


def with_enrolment(requests_pem: bytes, name: NodeName, token_file: Path | None) -> bytes:
    """Requests with their proof, when there is a token for it.

    Raises:
        KeyRefused: the token's file is unsafe, or the board tells no serial number.
        TokenRefused: no token in it.
    """
    if token_file is None:
        return requests_pem
    try:
        with opened_directory(token_file.parent) as directory:
            text = read_private(directory, token_file, os.geteuid())
    except FileNotFoundError:
        raise KeyRefused(
            what="not there", which=str(token_file), remedy="put the token there, mode 0600"
        ) from None
    token = Token.parsed(text.decode("ascii", "replace"), str(token_file))
    return enrolment_request(token, name, _own_serial(), requests_pem)


def sign(chosen: argparse.Namespace, authority: AuthorityDirectory) -> int:
    """Sign one file of requests into `--out`, or a directory of them into a directory."""
    clock = SystemClock()
    requests: Path = chosen.requests
    if not requests.is_dir():
        enrolled = sign_enrolment(authority, read_public(requests), chosen.days, clock)
        _hand_out(enrolled, chosen.out)
        return EXIT_OK
    if not chosen.out.is_dir():
        raise KeyRefused(
            what="not a directory",
            which=str(chosen.out),
            remedy="name a directory for the certificates of a directory of requests",
        )
    files = sorted(requests.glob(_REQUESTS))
    if not files:
        raise KeyRefused(
            what=f"holds no {_REQUESTS}", which=str(requests), remedy="name where the requests are"
        )
    refused = list(_refusals(authority, files, chosen, clock))
    if refused:
        raise KeyRefused(
            what=f"{len(refused)} of {len(files)} not signed",
            which=", ".join(refused),
            remedy="mend what the lines above say, and sign the directory again",
        )
    return EXIT_OK


def _refusals(
    authority: AuthorityDirectory, files: list[Path], chosen: argparse.Namespace, clock: Clock
) -> Iterator[str]:
    """Sign each that can be; the names of the others, with a line about each."""
    for file in files:
        try:
            enrolled = sign_enrolment(authority, read_public(file), chosen.days, clock)
        except (KeyRefused, TokenRefused) as error:
            sys.stderr.write(f"{file.name}: {error.line()}\n")
            yield file.name
        else:
            _hand_out(enrolled, chosen.out / f"{enrolled.record.serial}{CERTIFICATES}")


def _hand_out(enrolled: Enrolled, path: Path) -> None:
    record = enrolled.record
    replace_public(path, enrolled.certificates_pem)
    for item in enrolled.issued:
        again = ", as before" if item.was_there else ""
        say(
            f"{item.usage.value:8} {item.name}  serial {item.serial}  "
            f"until {as_text(item.until_utc_us)}{again}"
        )
    if enrolled.replaced:
        say(f"{record.name} has others that count: {', '.join(enrolled.replaced)}")
        say("revoke them if they were another board's: roeh keys revoke SERIAL")
    say(f"{path}: for roeh keys install on the board {record.serial}")


def _token(chosen: argparse.Namespace) -> int:
    serial = parsed_serial(chosen.serial)
    wrong = ""
    if not (NAME.fullmatch(chosen.site) and NAME.fullmatch(chosen.pole)):
        wrong = f"{chosen.site}/{chosen.pole} can name no pole"
    elif serial is None:
        wrong = f"{chosen.serial!r} can be no board's own serial number"
    if wrong or serial is None:
        raise TokenRefused(
            what=wrong,
            which="the new token",
            remedy="site and node as in node.toml, --serial as roeh keys serial says it there",
        )
    name = NodeName(site=chosen.site, node=chosen.pole)
    token, record = TokenBook(chosen.ca).make(name, serial, chosen.valid_h, SystemClock())
    say(token.text)
    say(f"for {name} on the board {serial}, until {as_text(record.until_utc_us)}, once")
    say(f"kept is what tells that somebody has it ({record.id}); it is not shown again")
    return EXIT_OK


def _tokens(chosen: argparse.Namespace) -> int:
    book = TokenBook(chosen.ca)
    if chosen.withdraw is not None:
        for record in book.withdraw(chosen.withdraw):
            say(f"withdrawn: {record.id}  {record.name}  board {record.serial}")
        return EXIT_OK
    now_us = SystemClock().read().t_utc_ns // NS_PER_US
    for record in book.records():
        say(_as_json(record, now_us) if chosen.json else _in_words(record, now_us))
    return EXIT_OK


def _serial(chosen: argparse.Namespace) -> int:
    del chosen
    say(_own_serial())
    return EXIT_OK


def _own_serial() -> str:
    serial = board_serial()
    if serial is None:
        raise KeyRefused(
            what="tells no serial number of its own",
            which="this board",
            remedy="systemd-machine-id-setup makes it a machine id, which serves as one",
        )
    return serial


class _Listed(msgspec.Struct, frozen=True):
    """A token as programs read it."""

    id: str
    site: str
    node: str
    serial: str
    until_utc_us: int
    state: str


def _as_json(record: TokenRecord, now_us: int) -> str:
    listed = _Listed(
        id=record.id,
        site=record.site,
        node=record.node,
        serial=record.serial,
        until_utc_us=record.until_utc_us,
        state=_state(record, now_us),
    )
    return msgspec.json.encode(listed).decode()


def _in_words(record: TokenRecord, now_us: int) -> str:
    return (
        f"{record.id}  {_state(record, now_us):7} {record.name}  board {record.serial}  "
        f"until {as_text(record.until_utc_us)}"
    )


def _state(record: TokenRecord, now_us: int) -> str:
    if not record.is_open:
        return "used"
    return "open" if now_us < record.until_utc_us else "ended"
