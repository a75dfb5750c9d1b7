"""Requests made up from the service's own OpenAPI, by the thousand: nothing leaks, nothing falls.

CI sends a share; ROEH_FUZZ_REQUESTS=10000 sends all of them.
"""

import json
import os
import statistics
import warnings
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given

from roeh.core.clock import SystemClock
from roeh.core.retrieval import PersonRole
from roeh.retrieve.api.openapi import openapi_document
from roeh.retrieve.api.routes import API, ROUTES
from roeh.retrieve.door.guard import HEADERS
from tests.process.running_node import read_proc
from tests.visited_poles import visited_pole

with warnings.catch_warnings():
    # Its dependencies use what others deprecate.
    warnings.simplefilter("ignore")
    import jsonschema
    import requests
    import schemathesis
    from schemathesis import GenerationMode

REQUESTS = int(os.environ.get("ROEH_FUZZ_REQUESTS", "600"))
CLOCK = SystemClock()
#: A pole that is asked too much says so; that is no failure of it.
BUSY = 503


_REQUEST_FIELDS = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
#: Said by http.client.
_OURS = ("content-length", "host", "transfer-encoding")


@schemathesis.serializer("application/pkcs7-mime")
def as_it_is(_context, value):
    """A body that is only bytes."""
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@pytest.fixture(scope="module")
def pole(tmp_path_factory):
    """Its own: what is fuzzed is asked for, held and released."""
    with visited_pole(tmp_path_factory.mktemp("fuzzed")) as made:
        yield made


def test_made_up_requests_do_no_harm(pole):
    document = json.loads(json.dumps(openapi_document(ROUTES)))
    schema = schemathesis.openapi.from_dict(document)
    visitors = [pole.visit(pole.person(role)) for role in PersonRole]
    answers, stored_ms = [], []
    before = memory_bytes(pole)
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) == len(ROUTES)
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each = -(-REQUESTS // (len(operations) * len(modes)))
    for operation in operations:
        for mode in modes:
            send_cases(operation, mode, each, visitors, answers)
        stored_ms.append(pole.store_gop() / 1e6)
    assert_harmless(document, answers)
    # Recording went on meanwhile, and nothing grew.
    assert statistics.median(stored_ms) < 100
    assert memory_bytes(pole) - before < 64 * 1024 * 1024
    timeline = visitors[0].get(
        f"{API}/timeline?from_utc_us={pole.begins_us}&to_utc_us={pole.begins_us + 10**8}"
    )
    assert [lane["gaps"] for lane in timeline.json["lanes"]] == [[]]


def send_cases(operation, mode, count, visitors, answers):
    """That many requests for an address, by everybody in turn."""

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        visitor = visitors[len(answers) % len(visitors)]
        answers.append((operation, mode, case, sent(case, visitor)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            send()
        except (hypothesis.errors.Unsatisfiable, schemathesis.errors.SchemathesisError):
            # Nothing wrong can be said to an address without parameters.
            assert mode is GenerationMode.NEGATIVE


def sent(case, visitor):
    """The answer to a case over the visitor's connection."""
    made = case.as_transport_kwargs(base_url="https://pole")
    fields = {name: value for name, value in made.items() if name in _REQUEST_FIELDS}
    request = requests.Request(**fields).prepare()
    body = request.body.encode() if isinstance(request.body, str) else request.body
    headers = [
        (name, value if isinstance(value, str) else value.decode("latin-1"))
        for name, value in request.headers.items()
        if name.lower() not in _OURS
    ]
    return visitor.ask(request.method, request.path_url, body, headers)


def assert_harmless(document, answers):
    """Only answers that the document names, in its form, and nothing else of the pole."""
    problem = document["components"]["schemas"]["Problem"]
    for operation, _, case, answer in answers:
        label = f"{operation.label}: {case.as_curl_command()[:500]} -> {answer}"
        responses = operation.definition.raw["responses"]
        assert str(answer.status) in responses, label
        assert answer.status < 500 or answer.status == BUSY, label
        assert b"Traceback" not in answer.body, label
        assert b"/roeh/" not in answer.body or answer.status < 300, label
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, label
        if answer.status >= 400:
            jsonschema.validate(json.loads(answer.body), problem)


def memory_bytes(pole):
    """Resident, of the retrieve process."""
    return int(read_proc(Path(f"/proc/{pole.retrieve.pid}/statm")).split()[1]) * 4096
