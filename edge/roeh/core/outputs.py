"""What capture asks evidence about outputs: which it has to let on, and until when.

Evidence alone decides, and has it on record before it is asked for. What the control room
ordered comes as an order (core/order_listener.py); this is what alerts let on.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.core.types import Count

#: The most outputs in one answer; older ones that are still to be let on come with the next.
MAX_OUTPUTS_ON = 64
#: The longest that a question may wait.
MAX_OUTPUTS_WAIT_S = 30.0


class TakeOutputs(msgspec.Struct, frozen=True):
    """OUTPUTS_TAKE: what is on record from leaf `from_leaf` on; None: capture has just begun.

    Then what was to be on before is over. Answers as soon as there is something, at the latest
    after `wait_s`; call with a time-out longer than that.
    """

    from_leaf: Count | None
    wait_s: Annotated[float, Meta(ge=0, le=MAX_OUTPUTS_WAIT_S)]


class OutputOn(msgspec.Struct, frozen=True):
    """Let this output on until then, in this boot."""

    output: str
    until_mono_us: int


class OutputsOn(msgspec.Struct, frozen=True):
    """What to let on, in the order of the records; ask from `next_leaf` on the next time."""

    items: tuple[OutputOn, ...]
    next_leaf: int
