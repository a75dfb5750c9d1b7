"""Who sits at the desk: the operator's name as given, and the system's user beside it.

Both stand in the audit, so that a name given falsely is seen to be.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import msgspec

from roeh.core.errors import AlarmRefused

_LOGIN_UID = Path("/proc/self/loginuid")
_NO_LOGIN = 2**32 - 1
_MAX_NAME_CHARS = 64


class Who(msgspec.Struct, frozen=True):
    """Operator as stated, and the system's word on who that is."""

    operator: str
    os_user: str


#: Whoever acts when nobody does: a time that is over, a pole that speaks again.
def the_desk() -> Who:
    """The desk's own process."""
    return Who("desk", os_user())


def who_operates(stated: str) -> Who:
    """The operator of a command; `stated` empty: the login name.

    Raises:
        AlarmRefused: a name that cannot be one, or that is the desk's own.
    """
    name = stated.strip() or _login_name()
    if not name.isprintable() or len(name) > _MAX_NAME_CHARS or name == "desk":
        raise AlarmRefused(
            what="not the name of an operator",
            which=f"--operator {name[:_MAX_NAME_CHARS]}",
            remedy=f"give your own name, at most {_MAX_NAME_CHARS} signs on one line",
        )
    return Who(name, os_user())


def os_user() -> str:
    """Who logged in, and as whom the process runs if that is somebody else."""
    login, running = _login_name(), _name_of(os.geteuid())
    return login if login == running else f"{login} as {running}"


def _login_name() -> str:
    """The kernel's word, which outlives sudo; else sudo's own; else whose process this is."""
    try:
        uid = int(_LOGIN_UID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        uid = _NO_LOGIN
    if uid != _NO_LOGIN:
        return _name_of(uid)
    # Whoever can forge this is root, or forges what only stands for the same user.
    sudo = os.environ.get("SUDO_UID", "")
    return _name_of(int(sudo)) if sudo.isdecimal() else _name_of(os.getuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"uid {uid}"
