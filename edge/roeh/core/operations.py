"""What detect tells evidence of operations: which hold now, and why.

An operation is a time in which rules of its own hold: a festival, a school's hours. Evidence puts
its begin and its end on record.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.orders import Name

#: The most operations of a pole.
MAX_OPERATIONS = 64

OperationCause = Literal["hours", "order", "configuration"]


class OperationNow(msgspec.Struct, frozen=True):
    """How an operation is, and since it became so, why.

    Attributes:
        command_id: of the order that is the cause.
    """

    name: Name
    is_in_force: bool
    cause: OperationCause
    command_id: Annotated[str, Meta(max_length=36)] = ""


class TellOperations(msgspec.Struct, frozen=True):
    """OPERATIONS_TELL: these are all operations, as they are now; told twice it counts once."""

    operations: Annotated[tuple[OperationNow, ...], Meta(max_length=MAX_OPERATIONS)]
