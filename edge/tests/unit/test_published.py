"""What is published is what is sent: real messages against schemas and AsyncAPI documents."""

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from roeh.core.types import AlertPhase
from roeh.desk.published import BODIES, PUBLISHED, asyncapi, documents, message_schema
from roeh.transport.messages import MAX_INTEGER
from roeh.transport.topics import TOPICS
from roeh.transport.view_topics import VIEW_TOPICS
from tests.message_examples import examples, full_alert, slim_alert

DOCS = Path(__file__).parents[2] / "docs" / "schema"
SCHEMAS = Path(__file__).parents[1] / "schemas"
ASYNCAPI = jsonschema.Draft7Validator(
    msgspec.json.decode((SCHEMAS / "asyncapi-3.0.0.json").read_bytes())
)


def objects_in(node):
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from objects_in(child)


def validate(name, payload):
    jsonschema.Draft202012Validator(message_schema(name)).validate(msgspec.json.decode(payload))


def test_the_published_documents_are_the_ones_the_types_give():
    published = {path.name: path.read_bytes() for path in DOCS.iterdir()}
    assert published == documents(), "renew with: make schema"


@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_schemas_themselves_are_sound_and_keep_integers_exact(name):
    schema = message_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    for part in objects_in(schema):
        if part.get("type") == "integer":
            assert part.get("maximum", part.get("exclusiveMaximum", 2**60) - 1) <= MAX_INTEGER
            assert part["minimum"] >= -MAX_INTEGER


@pytest.mark.parametrize("name", sorted(BODIES))
def test_every_schema_takes_a_real_message_and_refuses_one_without_its_first_field(name):
    bodies = [one.body for one in examples() if one.name == name]
    assert bodies
    for body in bodies:
        validate(name, body)
        decoded = msgspec.json.decode(body)
        del decoded[next(iter(decoded))]
        with pytest.raises(jsonschema.ValidationError):
            validate(name, msgspec.json.encode(decoded))


@pytest.mark.parametrize("phase", list(AlertPhase))
def test_an_alert_is_valid_with_everything_and_with_as_little_as_can_be(phase):
    validate("alert", msgspec.json.encode(full_alert(phase=phase)))
    validate("alert", msgspec.json.encode(slim_alert()))
    assert len(msgspec.json.encode(slim_alert())) < len(msgspec.json.encode(full_alert()))


def test_every_topic_is_published_and_has_an_example():
    keys = {row.channel.value for row in TOPICS.values()}
    keys |= {row.view.value for row in VIEW_TOPICS.values()} | {"witness-alarm", "onvif"}
    assert {one.key for one in PUBLISHED} == keys
    assert {(one.key, one.name) for one in examples()} == {
        (one.key, name) for one in PUBLISHED for name in one.messages
    }


def test_every_example_is_on_a_topic_of_its_published_shape():
    shapes = {one.key: one.address for one in PUBLISHED}
    for example in examples():
        pattern = re.sub(r"\\\{(rule_topic|source)\\\}", "[^#+]+", re.escape(shapes[example.key]))
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
        assert re.fullmatch(pattern, example.topic), (pattern, example.topic)


@pytest.mark.parametrize("of_desk", [False, True])
def test_the_asyncapi_documents_are_valid_by_the_published_schema(of_desk):
    document = asyncapi(of_desk=of_desk)
    ASYNCAPI.validate(document)
    del document["info"]["title"]
    assert not ASYNCAPI.is_valid(document)


@pytest.mark.parametrize("of_desk", [False, True])
def test_every_reference_of_an_asyncapi_document_leads_somewhere(of_desk):
    document = asyncapi(of_desk=of_desk)
    references = [part["$ref"] for part in objects_in(document) if "$ref" in part]
    assert references
    for reference in references:
        if reference.startswith("#/"):
            found = document
            for step in reference[2:].split("/"):
                found = found[step]
        else:
            assert (DOCS / reference).is_file()


def test_pole_and_desk_see_the_same_topics_from_both_ends():
    pole, desk = asyncapi(of_desk=False), asyncapi(of_desk=True)
    opposite = {"send": "receive", "receive": "send"}
    for operation in pole["operations"].values():
        channel = operation["channel"]["$ref"].rsplit("/", 1)[1]
        assert f"{opposite[operation['action']]}-{channel}" in desk["operations"]
