"""Times and lengths as people read them."""

import pytest

from roeh.core.moments import utc_text


@pytest.mark.parametrize(
    ("t_us", "shown"),
    [(0, "1970-01-01 00:00:00Z"), (2**62, "9999-12-31 23:59:59Z"), (-(2**62), "1-01-01 00:00:00Z")],
)
def test_what_no_calendar_has_is_shown_as_the_nearest_that_it_has(t_us, shown):
    """A peer may name any number as a time."""
    assert utc_text(t_us) == shown
