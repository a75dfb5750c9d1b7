"""One line on standard error for what a person should know; journald adds the time."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from roeh.core.errors import RoehError, one_line


def configure_log(process: str) -> None:
    """Send this process's lines to standard error, each with the process's name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"roeh {process}: %(message)s"))
    root = logging.getLogger("roeh")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def set_log_level(level: Literal["debug", "info", "warning"]) -> None:
    """How much this process says from now on."""
    logging.getLogger("roeh").setLevel(level.upper())


def log_for(name: str) -> logging.Logger:
    """The log of a module."""
    return logging.getLogger(f"roeh.{name}")


def log_error(logger: logging.Logger, error: RoehError) -> None:
    """An error as its one line."""
    logger.error("%s: %s", error.code, one_line(str(error)))
