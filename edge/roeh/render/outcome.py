"""Why an order could not be carried out; the child's main turns each into an answer."""

from __future__ import annotations


class NoPicture(Exception):
    """There is nothing in what was asked for that can be decoded."""
