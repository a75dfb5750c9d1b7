"""How the pictures of a GOP differ from those that its signature lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from roeh.verify.facts import SignatureFact


class Difference(msgspec.Struct, frozen=True):
    """In words, with the pictures (from 1) concerned.

    `only_missing`: everything that is here is as it was signed, and something was left out.
    """

    detail: str
    pictures: tuple[int, ...]
    only_missing: bool


def difference(
    hashes: Sequence[bytes], numbers: Sequence[int], signature: SignatureFact
) -> Difference:
    """What was done to the slices with these hashes.

    Args:
        hashes: of the slices that are here, as a signature lists them.
        numbers: the picture of each slice, from 1.
        signature: what was signed.
    """
    listed = signature.hash_list
    if not listed:
        return Difference("its pictures are not those that were signed", (), False)
    if hashes[:1] != list(listed[:1]):
        # All further hashes stand behind the first slice's, so nothing more can be told.
        return Difference("its key picture was changed or replaced", (1,), False)
    missing = _left_out(hashes, listed)
    if missing is not None:
        word = "picture is" if len(missing) == 1 else "pictures are"
        at = _numbers([place + 1 for place in missing])
        return Difference(f"{len(missing)} {word} missing: {at} of those signed", (), True)
    added = _left_out(listed, hashes)
    if added is not None:
        pictures = tuple(dict.fromkeys(numbers[place] for place in added))
        known = set(listed)
        verb = "stand twice" if all(hashes[place] in known for place in added) else "were added"
        return Difference(f"pictures {verb}: {_numbers(pictures)}", pictures, False)
    moved = Counter(hashes) == Counter(listed)
    changed = [
        numbers[place]
        for place, found in enumerate(hashes)
        if place >= len(listed) or found != listed[place]
    ]
    if not moved and len(hashes) != len(listed):
        known = set(listed)
        changed = [
            number for number, found in zip(numbers, hashes, strict=True) if found not in known
        ]
    pictures = tuple(dict.fromkeys(changed))
    verb = "stand in another order" if moved else "were changed"
    tail = ""
    if len(hashes) != len(listed):
        tail = f"; {len(hashes)} are here where {len(listed)} were signed"
    return Difference(f"pictures {verb}: {_numbers(pictures)}{tail}", pictures, False)


def _left_out(shorter: Sequence[bytes], longer: Sequence[bytes]) -> list[int] | None:
    """The places in `longer` that `shorter` skips; None when it is not that sequence."""
    skipped: list[int] = []
    place = 0
    for wanted in shorter:
        while place < len(longer) and longer[place] != wanted:
            skipped.append(place)
            place += 1
        if place == len(longer):
            return None
        place += 1
    return skipped + list(range(place, len(longer)))


def _numbers(values: Sequence[int]) -> str:
    shown = ", ".join(str(value) for value in values[:8])
    return shown + (f" and {len(values) - 8} more" if len(values) > 8 else "")
