"""Home `file`: keys are ours alone, belong to their certificates, and come as whole sets."""

import os
import shutil

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from roeh.core.clock import SimulatedClock
from roeh.core.errors import KeyRefused
from roeh.keys.key_pem import certificates_in
from roeh.keys.open import key_sets, open_signers
from tests.key_nodes import node_with_keys

CLOCK = SimulatedClock()


@pytest.fixture
def node(tmp_path):
    config = node_with_keys(tmp_path)
    open_signers(config, CLOCK)
    return config


def media_file(config):
    sets = key_sets(config)
    return sets.path(sets.newest()) / "media.pem"


def replace_key(path, private_key):
    """Another private key before the same certificates."""
    certificates = path.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + certificates[1] + certificates[2])


def test_a_node_without_keys_makes_a_set_that_says_it_is_unprovisioned(tmp_path):
    signers = open_signers(node_with_keys(tmp_path), CLOCK)

    assert not signers.is_provisioned
    for signer in (signers.media, signers.log, signers.manifest):
        leaf, authority = certificates_in(signer.chain_pem)
        assert "UNPROVISIONED" in leaf.subject.rfc4514_string()
        assert "UNPROVISIONED" in authority.subject.rfc4514_string()
        leaf.verify_directly_issued_by(authority)
        public_key = load_der_public_key(signer.spki_der)
        public_key.verify(signer.sign(b"GOP"), b"GOP", ec.ECDSA(hashes.SHA256()))
        assert signer.home == "file"


def test_each_usage_has_a_key_and_an_extended_usage_of_its_own(node):
    signers = open_signers(node, CLOCK)
    chains = [certificates_in(s.chain_pem) for s in (signers.media, signers.log, signers.manifest)]
    usages = [
        leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value for leaf, _ in chains
    ]

    assert len({usage[0].dotted_string for usage in usages}) == 3
    assert len({leaf.public_key().public_numbers().x for leaf, _ in chains}) == 3


def test_the_next_start_finds_the_same_keys(node):
    assert open_signers(node, CLOCK).media.chain_pem == open_signers(node, CLOCK).media.chain_pem


def test_the_chain_in_every_picture_group_stays_small(node):
    assert len(open_signers(node, CLOCK).media.chain_pem) < 1800


def test_keys_that_others_could_read_are_refused(node):
    media_file(node).chmod(0o640)

    with pytest.raises(KeyRefused, match="others may read"):
        open_signers(node, CLOCK)


def test_a_directory_that_others_may_write_to_is_refused(node):
    media_file(node).parent.chmod(0o770)

    with pytest.raises(KeyRefused, match="others may write"):
        open_signers(node, CLOCK)


def test_keys_of_another_user_are_refused(node, as_root):
    os.chown(media_file(node), 65534, -1)

    with pytest.raises(KeyRefused, match=r"belongs to nobody \(user id 65534\), not to "):
        open_signers(node, CLOCK)


def test_a_link_out_of_the_directory_is_refused(node, tmp_path):
    elsewhere = tmp_path / "elsewhere.pem"
    media_file(node).rename(elsewhere)
    media_file(node).symlink_to(elsewhere)

    with pytest.raises(KeyRefused, match="symbolic link"):
        open_signers(node, CLOCK)


def test_a_linked_set_is_refused(node, tmp_path):
    inside = media_file(node).parent
    inside.rename(tmp_path / "elsewhere")
    inside.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyRefused):
        open_signers(node, CLOCK)


def test_a_key_that_is_not_the_certificates_is_refused(node):
    replace_key(media_file(node), ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(KeyRefused, match="do not belong together"):
        open_signers(node, CLOCK)


def test_a_key_on_another_curve_is_refused(node):
    replace_key(media_file(node), ec.generate_private_key(ec.SECP384R1()))

    with pytest.raises(KeyRefused, match="P-256"):
        open_signers(node, CLOCK)


def test_a_certificate_for_another_use_is_refused(node):
    path = media_file(node)
    path.write_bytes((path.parent / "log.pem").read_bytes())

    with pytest.raises(KeyRefused, match="not for media"):
        open_signers(node, CLOCK)


def test_a_file_taken_out_of_a_set_is_missed_and_nothing_is_made_in_its_place(node):
    media_file(node).unlink()

    with pytest.raises(KeyRefused, match=r"missing from the set in force.*media\.pem"):
        open_signers(node, CLOCK)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_refused_in_one_line(node, content):
    media_file(node).write_bytes(content)

    with pytest.raises(KeyRefused) as refused:
        open_signers(node, CLOCK)
    assert "\n" not in refused.value.line()


def test_a_set_that_was_being_written_when_the_power_failed_is_made_anew(tmp_path):
    config = node_with_keys(tmp_path)
    open_signers(config, CLOCK)
    sets = key_sets(config)
    half = tmp_path / "keys" / "making"
    sets.path(1).rename(half)
    (half / "log.pem").unlink()
    (half / "media.pem").write_bytes(b"-----BEGIN PRIV")

    signers = open_signers(config, CLOCK)

    assert sets.newest() == 1
    assert not half.exists()
    signers.media.sign(b"GOP")


def test_a_node_that_got_another_name_does_not_sign_with_the_old_ones_self_made_keys(tmp_path):
    open_signers(node_with_keys(tmp_path, node="pole-7"), CLOCK)

    signers = open_signers(node_with_keys(tmp_path, node="pole-8"), CLOCK)

    assert "CN=pole-8" in certificates_in(signers.media.chain_pem)[0].subject.rfc4514_string()
    # What the old name signed can still be looked at, but nothing more be signed with it.
    kept = tmp_path / "keys" / "old" / "set-0001-media.pem"
    assert b"CERTIFICATE" in kept.read_bytes()
    assert b"PRIVATE" not in kept.read_bytes()
    assert not (tmp_path / "keys" / "set-0001").exists()


def test_the_keys_of_another_node_are_refused(tmp_path):
    config = node_with_keys(tmp_path, node="pole-8")
    open_signers(config, CLOCK)
    path = media_file(config)
    open_signers(node_with_keys(tmp_path / "other", node="pole-7"), CLOCK)
    shutil.copy(tmp_path / "other" / "keys" / "set-0001" / "log.pem", path.parent / "log.pem")

    with pytest.raises(KeyRefused, match=r"haifa/pole-7.*haifa/pole-8"):
        open_signers(config, CLOCK)
