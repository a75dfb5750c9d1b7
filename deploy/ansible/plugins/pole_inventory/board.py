"""Whether the board that answers is the one that the inventory means. Asked, nothing changed."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pole_inventory.fleet import Pole
from pole_inventory.mistakes import Mistake

_MODELS: Mapping[str, str] = {
    "pi4": "Raspberry Pi 4",
    "pi5": "Raspberry Pi 5",
    "orin": "Orin",
}
#: Of a bundle and what it becomes, roughly: archive, packages, wheels and two releases.
_ROOM_KB = 1_500_000


def board_mistakes(told: str, pole: Pole) -> Iterator[Mistake]:
    """What does not fit.

    Args:
        told: the lines of playbooks/files/board.sh.
        pole: as the inventory has it.
    """
    board = told_words(told)
    yield from machine_mistakes(board, pole)
    model = _MODELS.get(pole.text("roeh_board"), "")
    if model not in board.get("model", ""):
        yield _mistake(pole, "roeh_board", board.get("model") or "no board of ours", f"a {model}")
    serial = pole.text("roeh_board_serial")
    if serial and _digits(serial) != _digits(board.get("serial", "")):
        yield _mistake(pole, "roeh_board_serial", board.get("serial", ""), serial)


def machine_mistakes(board: Mapping[str, str], pole: Pole) -> Iterator[Mistake]:
    """What does not fit, of a control room too.

    Args:
        board: what board.sh told, by its words.
        pole: the host as the inventory has it.
    """
    yield from _bundle(board, pole)
    if not _is_let_in(board.get("from", ""), pole):
        yield Mistake(
            pole.name, "roeh_management_networks",
            f"this laptop is {board['from']} there, and would lock itself out",
            "add its network",
        )  # fmt: skip
    if board.get("sudo") != "yes":
        yield Mistake(
            pole.name, "ansible_user", f"{board.get('user')} may not use sudo without a password",
            "let it, or name another user",
        )  # fmt: skip
    if int(board.get("free_kb") or 0) < _ROOM_KB:
        yield Mistake(
            pole.name, "ansible_host", f"{board.get('free_kb')} kB free in /var",
            f"make room: {_ROOM_KB} kB are needed",
        )  # fmt: skip


def told_words(told: str) -> dict[str, str]:
    """The lines of board.sh, `word=value` each."""
    return dict(line.strip().split("=", 1) for line in told.splitlines() if "=" in line)


def _bundle(board: Mapping[str, str], pole: Pole) -> Iterator[Mistake]:
    """A bundle is for one suite, one machine and one Python."""
    try:
        text = (Path(pole.text("roeh_bundle")) / "bundle.json").read_text(encoding="utf-8")
    except OSError:
        return  # the preflight of the inventory has said so
    bundle: dict[str, Any] = json.loads(text)
    for word in ("suite", "architecture", "python"):
        if bundle.get(word) != board.get(word):
            yield Mistake(
                pole.name, "roeh_bundle",
                f"it is for {word} {bundle.get(word)}, and the board has {board.get(word)}",
                "make bundle with ARCH and SUITE of the board, or give the board that system",
            )  # fmt: skip


def _is_let_in(address: str, pole: Pole) -> bool:
    if not address:
        return True  # not by ssh: a rig's serial line
    laptop = ipaddress.ip_address(address)
    return any(
        laptop in ipaddress.ip_network(str(network))
        for network in pole.listed("roeh_management_networks")
    )


def _digits(serial: str) -> str:
    return serial.replace("-", "").lower()


def _mistake(pole: Pole, field: str, told: str, wanted: str) -> Mistake:
    return Mistake(
        pole.name, field, f"the board that answers says {told!r}, and the inventory {wanted!r}",
        "correct the inventory, or the address of the pole",
    )  # fmt: skip
