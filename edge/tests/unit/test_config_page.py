"""edge/docs/configuration.md shows every section and key with what it takes and its default.

    python edge/tests/unit/test_config_page.py

prints what the tables have to say.
"""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from roeh.core.config import NodeConfig, StandaloneLens
from roeh.core.config.wanted import known_keys, plain_type, wanted
from roeh.core.config.write import toml_value

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def sections(info, place=""):
    """(heading, struct) of every table that a file may have, in the order of the types."""
    info = plain_type(info)
    if isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from sections(member, place)
        return
    if isinstance(info, inspect.VarTupleType):
        if any(isinstance(plain_type(one), inspect.StructType) for one in members(info.item_type)):
            yield from sections(info.item_type, place)
        return
    if not isinstance(info, inspect.StructType):
        return
    if place:
        heading = f"{place}, kind = {info.tag}" if info.tag_field else place
        yield heading, info
    for field in info.fields:
        yield from sections(field.type, f"{place}.{field.encode_name}".lstrip("."))


def members(info):
    info = plain_type(info)
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def is_table(info):
    """Whether a field holds a table or a list of tables, shown under a heading of its own."""
    info = plain_type(info)
    if isinstance(info, inspect.VarTupleType):
        return is_table(info.item_type)
    kinds = [one for one in members(info) if not isinstance(one, inspect.NoneType)]
    return all(isinstance(one, inspect.StructType) for one in kinds)


def default_of(field):
    if field.required:
        return "required"
    if field.default is None:
        return "not set"
    return f"`{toml_value(field.default)}`"


def expected_rows(info):
    return [
        (f"`{field.encode_name}`", wanted(field.type, field.encode_name), default_of(field))
        for field in info.fields
        if not is_table(field.type)
    ]


def expected():
    found = dict(sections(inspect.type_info(NodeConfig)))
    found["LENS.toml"] = inspect.type_info(StandaloneLens)
    return {heading: expected_rows(info) for heading, info in found.items()}


def page():
    """heading → rows of its table, without the last column."""
    found = {}
    for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        heading = part.splitlines()[0].replace("`", "").replace("[", "").replace("]", "")
        rows = [
            tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4])
            for line in part.splitlines()
            if line.startswith("| `")
        ]
        if rows:
            found[heading] = rows
    return found


def test_the_page_has_every_section_and_no_other():
    assert list(page()) == list(expected())


@pytest.mark.parametrize("heading", list(expected()))
def test_a_section_of_the_page_has_every_key_as_it_is(heading):
    assert page()[heading] == expected()[heading]


def test_every_key_is_explained():
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            assert line.rstrip(" |").rpartition("|")[2].strip(), line


def test_defaults_are_what_an_empty_table_gives():
    for info in dict(sections(inspect.type_info(NodeConfig))).values():
        if all(not field.required for field in info.fields):
            tag = {info.tag_field: info.tag} if info.tag_field else {}
            section = msgspec.convert(tag, info.cls)
            for field in info.fields:
                assert getattr(section, field.name) == field.default
                assert field.encode_name in known_keys(info)


if __name__ == "__main__":
    for title, rows in expected().items():
        print(f"\n## {title}\n\n| key | takes | default | meaning |\n| --- | --- | --- | --- |")  # noqa: T201
        for row in rows:
            print("| " + " | ".join(row) + " | |")  # noqa: T201
