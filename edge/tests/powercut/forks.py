"""Processes of the suite: forked cheaply from one without threads, everything imported."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

from tests.forkserver import forking_with

CONTEXT = forking_with("tests.powercut.preloaded")


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A process that runs `target`; it ends with this one."""
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
