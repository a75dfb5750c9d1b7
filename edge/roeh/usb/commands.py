"""The command lines of `roeh usb` (edge/docs/police.md)."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.access.requests import read_approval, read_signed_request
from roeh.access.trust_list import TrustList
from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.core.errors import EXIT_OK, ConfigError, one_line
from roeh.core.notify import Notifier
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.core.stopping import stop_on_signals
from roeh.keys.cms import read_signed
from roeh.usb.insertion import Insertion
from roeh.usb.order import Order
from roeh.usb.preparing import prepare_disk
from roeh.usb.rights import keep_two_rights

Action = Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands under `roeh usb` with their options."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    text = "Police: write a signed order into the gap before a disk's first partition."
    prepared = commands.add_parser("prepare", help=text, description=text)
    prepared.add_argument("device", type=Path, metavar="DEVICE", help="the whole disk: /dev/sdb")
    prepared.add_argument("request", type=Path, metavar="REQUEST.p7m", help="roeh police request")
    prepared.add_argument("approval", type=Path, metavar="APPROVAL.p7m", help="roeh police approve")
    prepared.add_argument(
        "--trust-list", type=Path, metavar="FILE", help="a newer trust list for the pole"
    )
    prepared.set_defaults(action=_prepare)

    text = "Pole: answer the order on a disk that was put in. Its udev rule calls this."
    inserted = commands.add_parser("insert", help=text, description=text)
    inserted.add_argument("device", type=Path, metavar="DEVICE", help="the whole disk: /dev/sdb")
    inserted.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )
    inserted.add_argument(
        "--again", action="store_true", help="write the bundle although it was taken before"
    )
    inserted.set_defaults(action=_insert)


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: Action = chosen.action
    return action(chosen)


def _prepare(chosen: argparse.Namespace) -> int:
    order = Order(
        request_p7m=_content(chosen.request),
        approval_p7m=_content(chosen.approval),
        trust_list_p7m=b"" if chosen.trust_list is None else _content(chosen.trust_list),
    )
    request = read_signed_request(order.request_p7m).request
    approval = read_approval(order.approval_p7m)
    if approval.request != request:
        raise ConfigError(
            what="the approval is for another request",
            which=str(chosen.approval),
            remedy=f"name the approval of {request.id}",
        )
    if order.trust_list_p7m:
        version = _trust_list_version(order.trust_list_p7m, chosen.trust_list)
        order = msgspec.structs.replace(order, trust_list_version=version)
    prepare_disk(chosen.device, order)
    _say(f"{chosen.device}: an order for {request.site}/{request.node}, export {request.id}")
    return EXIT_OK


def _insert(chosen: argparse.Namespace) -> int:
    notifier = Notifier()

    def say(text: str) -> None:
        _say(text)
        notifier.status(one_line(text))

    config = load_config(chosen.config)
    keep_two_rights(config.users.usb)
    insertion = Insertion(config, SystemClock(), stop_on_signals(), say)
    with contextlib.closing(insertion):
        insertion.run(chosen.device, again=chosen.again)
    return EXIT_OK


def _trust_list_version(signed: bytes, path: Path) -> int:
    try:
        return msgspec.json.decode(read_signed(signed).content, type=TrustList).version
    except msgspec.MsgspecError as error:
        raise ConfigError(
            what="no trust list in it", which=str(path), remedy="roeh keys trust-list make"
        ) from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SIGNED_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            what=f"cannot be read ({error.strerror})",
            which=str(path),
            remedy="name a file that roeh police wrote",
        ) from error


def _say(text: str) -> None:
    sys.stdout.write(f"{one_line(text)}\n")
    sys.stdout.flush()
