"""What tables show of a pole's health: the same in `roeh watch` and `roeh desk poles`."""

from __future__ import annotations

from roeh.core.moments import length_text
from roeh.transport.messages import HealthMessage

#: Titles of what `health_cells` gives.
HEALTH_TITLES = ("condition", "waiting", "temperature", "retention", "certificate", "clock")


def health_cells(health: HealthMessage | None) -> tuple[str, ...]:
    """Condition, messages that wait on the pole, and how the board and its promises are."""
    if health is None:
        return ("-",) * len(HEALTH_TITLES)
    days = certificate_days(health)
    return (
        health.condition,
        str(health.outbox.rows),
        _temperature(health),
        "-" if health.retention_us is None else length_text(health.retention_us),
        "-" if days is None else f"{days} d",
        _clock(health),
    )


def certificate_days(health: HealthMessage) -> int | None:
    """Days until the first of a pole's certificates and its broker's ends; None: not told."""
    told = (health.certificate_days, health.broker_certificate_days)
    return min((days for days in told if days is not None), default=None)


def complaints(health: HealthMessage) -> str:
    """What the processes say that are not ok, and what a person should know."""
    told = [f"{process}: {detail}" for process, detail in health.details.items()]
    return "; ".join((*told, *health.alarms))


def _temperature(health: HealthMessage) -> str:
    degrees = "-" if health.temperature_c is None else f"{health.temperature_c:.0f} °C"
    return f"{degrees} {'+'.join(health.throttled)}".rstrip()


def _clock(health: HealthMessage) -> str:
    if not health.clock.synchronised:
        return "not synchronised"
    return f"±{length_text(health.clock.error_us)}"
