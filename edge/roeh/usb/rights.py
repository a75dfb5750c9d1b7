"""What the process that answers a disk may do beyond its user's: mount, and open what others own.

Its unit starts it as the disk's user with these two rights alone. A person at the pole starts it
as root: then it becomes that user. Either way no program that it starts inherits any.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct

from roeh.core.errors import ConfigError

#: linux/capability.h. The second is for a disk whose files are whoever's, and retrieve's spool.
_CAP_DAC_OVERRIDE, _CAP_SYS_ADMIN = 1, 21
_KEPT = 1 << _CAP_DAC_OVERRIDE | 1 << _CAP_SYS_ADMIN
_CAPABILITY_VERSION_3 = 0x2008_0522
#: linux/prctl.h.
_PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 8, 38, 47, 4


def keep_two_rights(user: str) -> None:
    """Go on as `user` with the two rights, where this is root; hand none on.

    Args:
        user: of [users] usb; empty: root stays root.

    Raises:
        ConfigError: there is no such user.
    """
    _done(ctypes.CDLL(None, use_errno=True).prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0))
    if os.geteuid() != 0 or user in ("", "root"):
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"[users] usb = {user!r}",
            remedy="create the user or correct the name",
        ) from None
    library = ctypes.CDLL(None, use_errno=True)
    _done(library.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    # Two words of 32 each: effective, permitted, inheritable (capset(2)).
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _done(library.capset(header, struct.pack("6I", _KEPT, _KEPT, 0, 0, 0, 0)))
    _done(library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _done(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
