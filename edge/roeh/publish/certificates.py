"""How long the certificates last that this process sees: its own for TLS, and the broker's."""

from __future__ import annotations

from roeh.transport.tls import whole_days

#: From here on a person is told.
WARN_DAYS = 30


class Certificates:
    """Ends are microseconds of UTC; None: there is no such certificate, or it is not known."""

    def __init__(self) -> None:
        self.own_ends_us: int | None = None
        self.broker_ends_us: int | None = None

    def own_days(self, now_utc_us: int) -> int | None:
        """Until the node's own certificate for TLS ends."""
        return whole_days(self.own_ends_us, now_utc_us)

    def broker_days(self, now_utc_us: int) -> int | None:
        """Until the broker's ends."""
        return whole_days(self.broker_ends_us, now_utc_us)

    def complaint(self, now_utc_us: int) -> str:
        """What a person should know; empty: nothing."""
        told = [
            _ends(whose, days)
            for whose, days in (
                ("this node's certificate for TLS", self.own_days(now_utc_us)),
                ("the broker's certificate", self.broker_days(now_utc_us)),
            )
            if days is not None and days <= WARN_DAYS
        ]
        return "; ".join(told)


def _ends(whose: str, days: int) -> str:
    return f"{whose} has ended" if days < 0 else f"{whose} ends in {days} days"
