"""Any configuration survives being shown; any garbage is one line, never a traceback."""

import re
import sys

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from roeh.core.config import NodeConfig, config_as_toml, load_config, parse_config
from roeh.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Some texts for every pattern of the schema.
PATTERNED = [
    "a", "pole-7", "0" * 63, "00:00", "23:59", "24:00", "2026-12-31T18:00", "rtsp://c",
    "rtsps://u:p@c/s?x=1",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


def strategy(info):
    """Any value that a type allows."""
    if isinstance(info, inspect.Metadata):
        return strategy(info.type)
    if isinstance(info, inspect.StructType):
        fields = {field.name: strategy(field.type) for field in info.fields}
        return st.builds(info.cls, **fields)
    if isinstance(info, inspect.UnionType):
        return st.one_of(*(strategy(member) for member in info.types))
    if isinstance(info, inspect.TupleType):
        return st.tuples(*(strategy(item) for item in info.item_types))
    if isinstance(info, inspect.VarTupleType):
        most = 2 if info.max_length is None else min(2, info.max_length)
        items = st.lists(strategy(info.item_type), min_size=info.min_length or 0, max_size=most)
        return items.map(tuple)
    return scalar(info)


def scalar(info):
    if isinstance(info, inspect.FloatType):
        low, high = info.ge if info.gt is None else info.gt, info.le if info.lt is None else info.lt
        return st.floats(
            low,
            high,
            exclude_min=info.gt is not None,
            exclude_max=info.lt is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if isinstance(info, inspect.IntType):
        return st.integers(info.ge, 2**53 if info.le is None else info.le)
    if isinstance(info, inspect.StrType):
        if info.pattern is not None:
            return st.sampled_from([text for text in PATTERNED if re.search(info.pattern, text)])
        return TEXT.filter(lambda text: len(text) >= (info.min_length or 0))
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    if isinstance(info, inspect.BoolType):
        return st.booleans()
    assert isinstance(info, inspect.NoneType), info
    return st.none()


#: One section at a time: everything at once is more than one can be shown as a counterexample.
SECTIONS = {field.name: field.type for field in inspect.type_info(NodeConfig).fields}
LEAST = """
[[sensors]]
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
"""
SENSORS = parse_config(LEAST, name="node.toml").sensors


def configs_of(section):
    """Any value of one section; the others as they are where nothing is written."""
    return st.builds(
        NodeConfig, **{"sensors": st.just(SENSORS), section: strategy(SECTIONS[section])}
    )


@pytest.mark.parametrize("section", SECTIONS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_configuration_that_is_shown_loads_again_as_the_same(section, data):
    config = data.draw(configs_of(section))
    shown = config_as_toml(config)
    assert msgspec.convert(tomllib.loads(shown), NodeConfig) == config


@pytest.mark.parametrize("section", SECTIONS)
@settings(max_examples=20)
@given(data=st.data())
def test_what_the_types_allow_is_meant_or_refused_in_one_line(section, data):
    parsed_or_refused(config_as_toml(data.draw(configs_of(section))))


def parsed_or_refused(text):
    try:
        parse_config(text, name="node.toml")
    except ConfigError as error:
        refused = error
    else:
        return
    line = refused.line()
    assert line.startswith(("roeh: CONFIG: ", "roeh: LENS: "))
    assert line.isprintable()
    assert len(line) < 2000
    assert refused.remedy


KEYS = st.sampled_from(
    ["sensors", "node", "rules", "zones", "kind", "lens", "source", "name", "k", "labels", "tls"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from(["composed", "crowd", "rtsp", "file", "panorama"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_toml(value):
    """Any value inline, as TOML writes it."""
    if isinstance(value, dict):
        inside = ", ".join(f"{as_toml(key)} = {as_toml(one)}" for key, one in value.items())
        return "{" + inside + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(one) for one in value) + "]"
    if isinstance(value, str):
        return (
            '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
        )
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
@example({"sensors": [{"source": {"kind": ["composed"]}}]})
@example({"sensors": [{"source": {"kind": "composed"}, "lens": {"k": float("inf")}}]})
@example({"rules": [{"kind": "crowd", "labels": [["person"]]}]})
def test_any_toml_is_meant_or_refused_in_one_line(values):
    parsed_or_refused("\n".join(f"{as_toml(key)} = {as_toml(one)}" for key, one in values.items()))


@given(st.text())
def test_any_text_is_refused_in_one_line(text):
    parsed_or_refused(text)


@given(st.binary())
def test_any_file_is_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.line().isprintable()
