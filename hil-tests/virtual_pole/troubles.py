"""What can go wrong outside the product itself."""

from __future__ import annotations


class PoleFailed(Exception):
    """A virtual pole could not be made, booted or reached: one sentence that says why."""
