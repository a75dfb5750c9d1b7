"""Clocks for tests."""

import msgspec

from roeh.core.clock import SystemClock


class SynchronisedClock(SystemClock):
    """The machine's own, in the state that it has in service."""

    def read(self):
        return msgspec.structs.replace(super().read(), synchronised=True, utc_error_ns=2_000_000)
