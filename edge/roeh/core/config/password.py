"""A password in a file of its own, so that a configuration may be shown to anybody."""

from __future__ import annotations

from pathlib import Path

from roeh.core.errors import ConfigError

#: What is read of it: a device or a log that was named by mistake does not fill the memory.
_MAX_CHARS = 4096


def read_password(path: str, *, key: str) -> str:
    """The password in a file, without the white space round it; "" where no file is named.

    Args:
        path: of the file.
        key: that names it in the configuration, for the error.

    Raises:
        ConfigError: it cannot be read.
    """
    if not path:
        return ""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MAX_CHARS).strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            what=f"the password cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"{key} = {path}",
            remedy="write the password as one line into a file this user can read",
        ) from None
