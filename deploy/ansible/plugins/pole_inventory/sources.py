"""Names that stand twice in the inventory's files, which Ansible would lay over each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from pole_inventory.mistakes import Mistake

_SUFFIXES = (".yml", ".yaml")
#: Folders beside the inventory's files whose files have another form.
_VARIABLES = ("group_vars", "host_vars")


def names_twice(sources: list[str]) -> Iterator[Mistake]:
    """Keys that stand twice in one mapping, and hosts that are given an address twice.

    Args:
        sources: the inventory's files and folders.
    """
    addresses: dict[str, tuple[str, str]] = {}
    for path in _files(sources):
        try:
            root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, ValueError, yaml.YAMLError):
            continue  # Ansible says what is wrong with it
        for mapping, place in _mappings(root, ()):
            yield from _twice(mapping, place, path)
            if len(place) > 1 and place[-2] == "hosts":
                yield from _address_again(mapping, place[-1], path, addresses)


def _files(sources: list[str]) -> Iterator[Path]:
    for source in sources:
        path = Path(source)
        if path.is_file():
            yield path
            beside = path.parent
        else:
            beside = path
            yield from sorted(item for item in path.glob("*") if item.suffix in _SUFFIXES)
        for folder in _VARIABLES:
            yield from sorted(
                item for item in (beside / folder).rglob("*") if item.suffix in _SUFFIXES
            )


def _mappings(
    node: yaml.Node | None, place: tuple[str, ...]
) -> Iterator[tuple[yaml.MappingNode, tuple[str, ...]]]:
    if isinstance(node, yaml.MappingNode):
        yield node, place
        for key, value in node.value:
            yield from _mappings(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value, place)


def _twice(mapping: yaml.MappingNode, place: tuple[str, ...], path: Path) -> Iterator[Mistake]:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            is_host = place[-1:] == ("hosts",)
            yield Mistake(
                name if is_host else path.stem,
                "inventory_hostname" if is_host else ".".join((*place, name)),
                f"stands twice in {path.name}, lines {lines[name]} and {line}",
                "give each pole a name of its own" if is_host else "keep one of them",
            )
        lines.setdefault(name, line)


def _address_again(
    mapping: yaml.MappingNode, host: str, path: Path, addresses: dict[str, tuple[str, str]]
) -> Iterator[Mistake]:
    """A host may stand in several groups; its address is given once, or is the same."""
    for key, value in mapping.value:
        if key.value != "ansible_host":
            continue
        address, where = str(value.value), f"{path.name}, line {key.start_mark.line + 1}"
        before = addresses.setdefault(host, (address, where))
        if before[0] != address:
            yield Mistake(
                host, "inventory_hostname",
                f"two poles of this name, {before[0]} ({before[1]}) and {address} ({where})",
                "give each pole a name of its own",
            )  # fmt: skip
