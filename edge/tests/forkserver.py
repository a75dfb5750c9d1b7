"""Children of tests, forked from one server that has imported what they need.

A server of Python's own is started once a test run, and knows only what was named before.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

_CONTEXT = multiprocessing.get_context("forkserver")
_NAMED: list[str] = []


def forking_with(*modules: str) -> ForkServerContext:
    """The context whose children find these modules, and what others named, imported."""
    _NAMED.extend(modules)
    _CONTEXT.set_forkserver_preload(_NAMED)
    return _CONTEXT
