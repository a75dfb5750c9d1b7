"""A network camera's address: one form to open, one that may be shown.

Credentials stand in the URL, or in a file whose first line is `user:password`, or the
password alone where the URL names the user. What is shown, logged or put into an error
never holds them.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from roeh.core.config import RtspSource
from roeh.core.errors import ConfigError


class CameraAddress(msgspec.Struct, frozen=True):
    """`opened` is for FFmpeg alone; `shown` is for everybody."""

    opened: str
    shown: str

    def __repr__(self) -> str:
        return f"CameraAddress({self.shown!r})"


def camera_address(section: RtspSource) -> CameraAddress:
    """The address that a section describes.

    Raises:
        ConfigError: the password file cannot be read or holds nothing.
    """
    url = urlsplit(section.url)
    in_url, _, host = url.netloc.rpartition("@")
    user, _, password = (unquote(part) for part in in_url.partition(":"))
    # Some cameras take the password in the query, or in a path such as /user=a&password=b.
    path = url.path.partition("=")[0].rpartition("/")[0] if "=" in url.path else url.path
    shown = urlunsplit((url.scheme, host, path, "", ""))
    if section.password_file:
        user, password = _from_file(section.password_file, user, shown)
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    opened = urlunsplit((url.scheme, credentials + host, url.path, url.query, ""))
    return CameraAddress(opened=opened, shown=shown)


def _from_file(password_file: str, user: str, shown: str) -> tuple[str, str]:
    which = f"password_file {password_file} for {shown}"
    try:
        lines = Path(password_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(
            what=f"cannot read the password ({reason})",
            which=which,
            remedy="make the file readable for the capture process",
        ) from error
    line = lines[0].strip() if lines else ""
    name, colon, password = (user, ":", line) if user else line.partition(":")
    if not (name and colon and password):
        raise ConfigError(
            what="no user name and password",
            which=which,
            remedy="write user:password as its first line",
        )
    return name, password
