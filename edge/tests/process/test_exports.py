"""An export from its request to its end: judged, held, proven, sealed, and on record."""

import hashlib

import pytest

from roeh.core.retrieval import SealedFile
from roeh.keys.cms import read_signed
from roeh.ledger import merkle
from roeh.ledger.note import parse_checkpoint, parse_note
from tests.retrieval_node import retrieval_node


@pytest.fixture
def node(tmp_path):
    with retrieval_node(tmp_path) as node:
        node.believe()
        node.record(6)
        yield node


def test_a_request_is_agreed_to_built_sealed_and_taken(node):
    request = node.a_request()
    asked = node.ask(request)
    assert asked.state == "requested"
    assert node.approve(node.approver.approve(request)).state == "approved"
    begun = node.begin(request.id)
    assert begun.export.state == "building"
    root = parse_checkpoint(parse_note(begun.checkpoint).text)
    assert root.size == begun.ledger_size
    for proven in node.proofs(request.id, begun.leaves, begun.ledger_size):
        proof = tuple(bytes.fromhex(each) for each in proven.proof)
        leaf_hash = merkle.leaf_hash(proven.record)
        assert merkle.root_by_inclusion(proven.leaf, root.size, leaf_hash, proof) == root.root
    files = [SealedFile("data/export.json", "00" * 32, 7)]
    node.tell(request.id, files)
    seal = node.seal(request.id)
    manifest = f"{'00' * 32}  data/export.json\n".encode()
    assert seal.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    assert read_signed(seal.manifest_p7s, manifest).content == manifest
    assert node.seal(request.id) == seal
    ready = node.note(request.id, "ready", size_bytes=9, sha256="11" * 32)
    assert (ready.state, ready.sha256) == ("ready", "11" * 32)
    assert node.note(request.id, "taken").state == "taken"
    steps = [body.step for body in node.bodies("export")]
    assert steps == ["begun", "sealed", "ready", "taken"]
