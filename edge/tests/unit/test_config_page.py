"""The pages of node.toml and desk.toml show every section and key with what it takes.

    python edge/tests/unit/test_config_page.py

prints what the tables have to say.
"""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from roeh.core.config import (
    DeskConfig,
    NodeConfig,
    StandaloneLens,
    parse_config,
    parse_desk_config,
)
from roeh.core.config.wanted import known_keys, plain_type, wanted
from roeh.core.config.write import toml_value

DOCS = Path(__file__).parents[2] / "docs"
#: Page: the file's type, and what else stands there under a heading of its own.
PAGES = {
    "configuration.md": (NodeConfig, {"LENS.toml": StandaloneLens}),
    "desk-configuration.md": (DeskConfig, {}),
}
#: Of keys that stand in no table.
TOP = "Top of the file"


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
    heading = f"{place}, kind = {info.tag}" if info.tag_field else place or TOP
    if expected_rows(info):
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


def expected(name):
    """heading → rows of the tables that a page has to have."""
    config, others = PAGES[name]
    found = dict(sections(inspect.type_info(config)))
    found |= {heading: inspect.type_info(other) for heading, other in others.items()}
    return {heading: expected_rows(info) for heading, info in found.items()}


def page(name):
    """heading → rows of its table, without the last column."""
    found = {}
    for part in re.split(r"^## ", (DOCS / name).read_text(), flags=re.MULTILINE)[1:]:
        heading = part.splitlines()[0].replace("`", "").replace("[", "").replace("]", "")
        rows = [
            tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4])
            for line in part.splitlines()
            if line.startswith("| `")
        ]
        if rows:
            found[heading] = rows
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_every_section_and_no_other(name):
    assert list(page(name)) == list(expected(name))


@pytest.mark.parametrize(
    ("name", "heading"), [(name, heading) for name in PAGES for heading in expected(name)]
)
def test_a_section_of_a_page_has_every_key_as_it_is(name, heading):
    assert page(name)[heading] == expected(name)[heading]


@pytest.mark.parametrize("name", PAGES)
def test_every_key_is_explained(name):
    for line in (DOCS / name).read_text().splitlines():
        if line.startswith("| `"):
            assert line.rstrip(" |").rpartition("|")[2].strip(), line


@pytest.mark.parametrize(
    ("name", "parse"),
    [("configuration.md", parse_config), ("desk-configuration.md", parse_desk_config)],
)
def test_the_example_of_a_page_is_valid(name, parse):
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    parse(text, name=name)


@pytest.mark.parametrize("config", [NodeConfig, DeskConfig])
def test_defaults_are_what_an_empty_table_gives(config):
    for info in dict(sections(inspect.type_info(config))).values():
        if all(not field.required for field in info.fields):
            tag = {info.tag_field: info.tag} if info.tag_field else {}
            section = msgspec.convert(tag, info.cls)
            for field in info.fields:
                assert getattr(section, field.name) == field.default
                assert field.encode_name in known_keys(info)


if __name__ == "__main__":
    for page_name in PAGES:
        print(f"\n# {page_name}")  # noqa: T201
        for title, rows in expected(page_name).items():
            print(f"\n## {title}\n\n| key | takes | default | meaning |\n| --- | --- | --- | --- |")  # noqa: T201
            for row in rows:
                print("| " + " | ".join(row) + " | |")  # noqa: T201
