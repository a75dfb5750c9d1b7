"""What a builder is told, and how it ends: all that its parent needs to know of it."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from roeh.core.config import NodeConfig
from roeh.core.errors import ExportFailed

#: Exit statuses: it failed and that is on record; it is to be tried later, nothing is wrong.
EXIT_FAILED: Final = ExportFailed.exit_status
EXIT_LATER: Final = os.EX_TEMPFAIL


class BuildOrder(msgspec.Struct, frozen=True):
    """What the parent hands over on standard input, as MessagePack."""

    config: NodeConfig
    export_id: str
    parent_pid: int
