"""Which language and scheme a visitor gets: what they choose, chose before, or their browser asks.

Pure.
"""

from __future__ import annotations

from typing import TypeVar

from roeh.retrieve.pages.views import SCHEMES, Scheme
from roeh.retrieve.pages.wording import LANGUAGES, Language

LANGUAGE_COOKIE = "roeh_lang"
SCHEME_COOKIE = "roeh_scheme"

_MAX_HEADER_CHARS = 400
# What browsers call Hebrew: its code, and the one it had before 1989.
_CODES: dict[str, Language] = {"en": "en", "he": "he", "iw": "he"}

_ChoiceT = TypeVar("_ChoiceT", bound=str)


def language_of(asked: str, cookie: str, accept_language: str) -> Language:
    """English where nothing tells."""
    chosen = _one_of(LANGUAGES, asked) or _one_of(LANGUAGES, cookie)
    return chosen or _accepted(accept_language) or "en"


def scheme_of(asked: str, cookie: str) -> Scheme:
    """As the device says, where nothing tells."""
    return _one_of(SCHEMES, asked) or _one_of(SCHEMES, cookie) or "auto"


def _one_of(choices: tuple[_ChoiceT, ...], text: str) -> _ChoiceT | None:
    return next((choice for choice in choices if choice == text), None)


def _accepted(header: str) -> Language | None:
    best: Language | None = None
    best_quality = 0.0
    for part in header[:_MAX_HEADER_CHARS].split(","):
        tag, _, rest = part.strip().partition(";")
        language = _CODES.get(tag.partition("-")[0].strip().lower())
        quality = _quality(rest)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
