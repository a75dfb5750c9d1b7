"""`roeh police keygen` and `request`."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from roeh.bundle.encryption import new_identity
from roeh.core.clock import NS_PER_US, SystemClock
from roeh.core.errors import EXIT_OK, ConfigError, OutputRefused
from roeh.core.ids import ClockIds
from roeh.core.moments import utc_argument, utc_text
from roeh.keys.asking import Adder
from roeh.keys.safe_files import replace_private, replace_public
from roeh.police.answers import Export
from roeh.police.asking import Wish, make_request, signed_request
from roeh.police.options import add_key, add_pole, pole_of, region_argument
from roeh.police.patience import at_once
from roeh.police.person import file_person, key_passphrase
from roeh.police.pole import SIGNED_TYPE
from roeh.police.screen import say, say_json, show_lines
from roeh.police.wording import request_lines


def add_actions(add: Adder) -> None:
    """The two with their options."""
    made = add("keygen", _keygen, "Make a key pair: its public key goes into requests.")
    made.add_argument("--out", type=Path, required=True, metavar="FILE", help="the secret key")

    asked = add("request", _request, "Ask a pole for video, or write a request for it.")
    asked.add_argument(
        "url", nargs="?", metavar="POLE_URL", help="https://HOST[:PORT]; or --offline"
    )
    asked.add_argument(
        "--offline", type=Path, metavar="FILE", help="write the signed request here instead"
    )
    add_pole(asked, required=True, is_online=False)
    add_key(asked, required=True)
    asked.add_argument("--case", required=True, metavar="NUMBER", help="the case's number")
    asked.add_argument(
        "--legal-basis", required=True, metavar="TEXT", help="what entitles you to it"
    )
    asked.add_argument("--reason", required=True, metavar="TEXT", help="what it is needed for")
    asked.add_argument(
        "--from", dest="from_us", type=utc_argument, required=True, metavar="UTC",
        help="2026-01-31T18:30:00Z",
    )  # fmt: skip
    asked.add_argument(
        "--to", dest="to_us", type=utc_argument, required=True, metavar="UTC", help="likewise"
    )
    asked.add_argument(
        "--camera", action="append", required=True, metavar="NAME", help="may be given again"
    )
    asked.add_argument(
        "--to-recipient",
        action="append",
        required=True,
        metavar="age1...",
        help="who can open it (roeh police keygen); may be given again",
    )
    asked.add_argument(
        "--redacted", action="store_true", help="a copy with regions blurred, no originals"
    )
    asked.add_argument(
        "--region",
        action="append",
        type=region_argument,
        default=[],
        metavar="CAMERA:X0,Y0,X1,Y1",
        help="blur this, pixels; may be given again",
    )
    asked.add_argument("--json", action="store_true", help="the export as a JSON line")


def _request(chosen: argparse.Namespace) -> int:
    if (chosen.url is None) == (chosen.offline is None):
        raise ConfigError(
            what="not clear where the request goes",
            which="roeh police request",
            remedy="give either POLE_URL or --offline FILE",
        )
    if chosen.offline is not None:
        _check_new(chosen.offline)
    clock = SystemClock()
    now_us = clock.read().t_utc_ns // NS_PER_US
    passphrase = key_passphrase(chosen.key, chosen.passphrase_file)
    signer = file_person(chosen.cert or chosen.key, chosen.key, passphrase)
    wish = Wish(
        pole=chosen.pole,
        case_number=chosen.case,
        legal_basis=chosen.legal_basis,
        reason=chosen.reason,
        cameras=chosen.camera,
        from_utc_us=chosen.from_us,
        to_utc_us=chosen.to_us,
        recipients=chosen.to_recipient,
        is_redacted=chosen.redacted,
        regions=chosen.region,
    )
    request = make_request(wish, signer.person, ClockIds(clock).new(), now_us)
    signed = signed_request(request, signer, now_us)
    if not chosen.json:
        show_lines("The request", request_lines(request, signer.person))
    if chosen.url is not None:
        return _posted(chosen, signed)
    replace_public(chosen.offline, signed)
    say(f"{chosen.offline}: for an approver (roeh police approve), then for the pole")
    return EXIT_OK


def _posted(chosen: argparse.Namespace, signed: bytes) -> int:
    with contextlib.closing(pole_of(chosen)) as pole:
        # The same bytes twice are one request.
        export = at_once(lambda: pole.post("/exports", signed, SIGNED_TYPE, Export))
    if chosen.json:
        say_json(export)
    else:
        say(f"the pole has it: export {export.id} is {export.state}, its video is held")
    return EXIT_OK


def _keygen(chosen: argparse.Namespace) -> int:
    _check_new(chosen.out)
    key = new_identity()
    made = utc_text(SystemClock().read().t_utc_ns // NS_PER_US)
    # As age-keygen writes it.
    content = f"# created: {made}\n# public key: {key.recipient}\n{key.secret}\n"
    replace_private(chosen.out, content.encode("ascii"), os.geteuid())
    say(f"{chosen.out}: keep it; who has it can open what is exported for it")
    say(key.recipient)
    return EXIT_OK


def _check_new(path: Path) -> None:
    if os.path.lexists(path):
        raise OutputRefused(
            what="there is a file of that name", which=str(path), remedy="name another"
        )
