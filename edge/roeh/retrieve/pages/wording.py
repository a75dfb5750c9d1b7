"""The words of the pages: a table a language, and how a value is set into them.

Values come from certificates, requests and cameras, so they may hold anything: each is made
visible (no control or direction character survives), escaped, and isolated, so that an
identifier in Latin letters does not turn round what stands beside it in Hebrew.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from markupsafe import Markup, escape

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Language = Literal["en", "he"]
LANGUAGES: tuple[Language, ...] = ("en", "he")

#: Which way each is written.
DIRECTIONS: dict[Language, Literal["ltr", "rtl"]] = {"en": "ltr", "he": "rtl"}
_TABLES = Path(__file__).parent / "words"
# LEFT-TO-RIGHT, RIGHT-TO-LEFT and ARABIC LETTER MARK.
_MARKS = "\u200e\u200f\u061c"
# FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE: <bdi> where no element may stand.
_ISOLATE, _POP = "\u2068", "\u2069"


@functools.cache
def table(language: Language) -> Mapping[str, str]:
    """All words of a language, by `section.key`."""
    text = (_TABLES / f"{language}.toml").read_text(encoding="utf-8")
    sections: dict[str, dict[str, str]] = tomllib.loads(text)
    return {
        f"{section}.{key}": words
        for section, keys in sections.items()
        for key, words in keys.items()
    }


def visible(value: object) -> Markup:
    """A value of somebody else's as markup: no character of it is hidden, active or turned."""
    if isinstance(value, Markup):
        return value
    return escape("".join(_seen(character) for character in str(value)))


def _seen(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    # Hebrew keyboards type marks, which isolation makes needless; the rest is there to mislead.
    return "" if character in _MARKS else "\N{REPLACEMENT CHARACTER}"


def isolated(value: object) -> Markup:
    """A value inside a sentence."""
    return value if isinstance(value, Markup) else Markup("<bdi>{}</bdi>").format(visible(value))


def latin(value: object) -> Markup:
    """An identifier, a hash, a file name: left to right whatever stands round it."""
    return Markup('<bdi dir="ltr" class="latin">{}</bdi>').format(visible(value))


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.direction = DIRECTIONS[language]
        self._table = table(language)

    def __call__(self, key: str, **values: object) -> Markup:
        """A sentence as markup, its values isolated.

        Raises:
            KeyError: the table has no such words, or they want another value.
        """
        return self._filled(key, {name: isolated(value) for name, value in values.items()})

    def plain(self, key: str, **values: object) -> Markup:
        """The same for an attribute or a title, where no element may stand."""
        held = {
            name: Markup("{}{}{}").format(_ISOLATE, visible(value), _POP)
            for name, value in values.items()
        }
        return self._filled(key, held)

    def has(self, key: str) -> bool:
        """Whether there are such words."""
        return key in self._table

    def _filled(self, key: str, values: Mapping[str, Markup]) -> Markup:
        return Markup(escape(self._table[key]).format_map(values))  # noqa: S704  values are escaped
