"""Processes of the suite: forked cheaply from one without threads, everything imported."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.powercut.preloaded"])


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A process that runs `target`; it ends with this one."""
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
