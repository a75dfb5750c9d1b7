"""`roeh desk trust`: give poles the signed list of whom they let take evidence."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from roeh.core.errors import EXIT_OK, CommandRefused
from roeh.desk.alarms.view import console_for, safe
from roeh.desk.audit.log import AuditAction
from roeh.desk.commands import Adder
from roeh.desk.pole import Pole
from roeh.desk.seat import add_operator, pole_argument, taken_seat
from roeh.desk.trust_lists import give_trust_list, known_poles, read_signed_list
from roeh.keys.safe_files import read_public


def add_actions(add: Adder) -> None:
    """Trust lists to poles."""
    parser = add("trust", _trust, "Give poles a trust list: whom they let take evidence.")
    parser.add_argument("file", type=Path, metavar="FILE", help="from roeh keys trust-list make")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--pole", action="append", type=pole_argument, metavar="SITE/NODE", help="this one; again"
    )
    which.add_argument("--all", action="store_true", help="every pole that is known")
    add_operator(parser)


def _trust(chosen: argparse.Namespace) -> int:
    signed = read_public(chosen.file)
    trust_list = read_signed_list(signed)
    with taken_seat(chosen) as seat, seat.store.writing() as transaction:
        known = known_poles(transaction)
        poles = known if chosen.all else tuple(Pole(*pole) for pole in chosen.pole)
        unknown = [str(pole) for pole in poles if pole not in known]
        if unknown or not poles:
            raise CommandRefused(
                what="this pole has never said that it is there",
                which=", ".join(unknown) or "--all",
                remedy="see roeh desk poles for the poles that are known",
            )
        give_trust_list(transaction, poles, signed, trust_list.version, seat.now_utc_us())
        sha256 = hashlib.sha256(signed).hexdigest()
        for pole in poles:
            seat.note(
                transaction,
                AuditAction.TRUST_LIST_GIVEN,
                str(pole),
                detail=f"version {trust_list.version}, sha256 {sha256}",
            )
    console_for(sys.stdout).print(
        safe(f"trust list {trust_list.version} goes to {len(poles)} poles; each judges it itself"),
        soft_wrap=True,
    )
    return EXIT_OK
