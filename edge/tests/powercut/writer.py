"""The writer: a process that stores alerts and groups of pictures as fast as it can.

It uses the node's own store from several threads, as evidence does, and writes a line for
each thing that the store acknowledged (acknowledgements.py).
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.alert_drafts import alert_draft
from tests.powercut.acknowledgements import AcknowledgementWriter, AlertAcknowledged
from tests.powercut.disks import DiskKind, cut_by_ioctl
from tests.powercut.node import Node
from tests.powercut.panel import Panel
from tests.powercut.plan import Aim, Session
from tests.powercut.steps import aim as take_aim
from tests.powercut.unsynced import Unsynced, never_sync


class Writing(msgspec.Struct, frozen=True):
    """Where one session writes, and what is to happen to the power meanwhile."""

    point: Path
    session: Session
    kind: DiskKind
    aim: Aim | None
    unsynced: Unsynced | None


def write(writing: Writing, panel: Panel) -> None:
    """One session; it ends by itself, or with an error when the power is gone."""
    if writing.aim is not None:
        take_aim(writing.aim, _cutter(writing, panel))
    try:
        _write(writing, panel)
    except Exception:
        if panel.numbers.is_cut:
            os._exit(0)  # the store has nowhere to close to
        raise


def _write(writing: Writing, panel: Panel) -> None:
    node = Node(writing.point)
    if writing.unsynced is not None:
        never_sync(writing.unsynced, node.database)
    acknowledged = AcknowledgementWriter(panel.acknowledgements)
    chance = random.Random(writing.session.seed)
    for _ in range(writing.session.things):
        thumbnail = chance.randbytes(chance.randint(200, 4000))
        draft = alert_draft(thumbnail=thumbnail)
        seq = node.store.store(draft, thumbnail)
        acknowledged.write(
            AlertAcknowledged(
                id=draft.id,
                seq=seq,
                draft_sha256=hashlib.sha256(msgspec.json.encode(draft)).hexdigest(),
                thumbnail_sha256=hashlib.sha256(thumbnail).hexdigest(),
                is_locking=False,
            )
        )
    if writing.session.is_killed:
        os._exit(0)
    node.close()


def _cutter(writing: Writing, panel: Panel) -> Callable[[int], None]:
    """Cuts the power so many writes from now; ext4 is stopped right there."""

    def cut(writes: int) -> None:
        if writing.kind is DiskKind.SHUTDOWN:
            cut_by_ioctl(writing.point, panel)
        else:
            panel.numbers.cut_at_write = panel.numbers.writes + writes

    return cut
