"""What is drawn for a scene before it is known what its rules have to tell."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.config import LineSection, RuleSection, ZoneSection
from tests.quality.belongings import Drive, Left
from tests.quality.ways import Way

#: Of what is drawn so much is meant to be told; the rest are near misses.
POSITIVE_SHARE = 0.75
#: How fast one who runs off gains speed.
SPURT_MPS2 = 2.5


class Drawn(msgspec.Struct, frozen=True):
    """People, things and vehicles, and what watches them.

    Attributes:
        ways: of people.
        duration_s: at most; a scene may end sooner.
    """

    ways: Sequence[Way]
    rules: Sequence[RuleSection]
    duration_s: float
    zones: Sequence[ZoneSection] = ()
    lines: Sequence[LineSection] = ()
    things: Sequence[Left] = ()
    drives: Sequence[Drive] = ()
