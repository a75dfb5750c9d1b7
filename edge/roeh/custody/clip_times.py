"""Times of clips: to the millisecond, as frames need them."""

from __future__ import annotations

from datetime import datetime, timezone

from roeh.ledger.utc_spans import UtcSpan


def precise(t_us: int) -> str:
    """A time of UTC to the millisecond."""
    moment = datetime.fromtimestamp(t_us // 1000 / 1000, timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def span_text(span: UtcSpan) -> str:
    """From and to."""
    return f"{precise(span.from_us)} to {precise(span.to_us)}"
