"""What answers a verb: one shape, wherever the verb is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from roeh.core.peers import Role

# Any request of the table: each entry stands for one type of it.
Answerer = Callable[[Any], msgspec.Struct]
RoleAnswerer = Callable[[Role, Any], msgspec.Struct]
