"""A chain is believed only for its use, its time and its node, and never after revocation."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import (
    authority_name,
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_authority,
    node_subject,
)
from roeh.keys.chain import SigningTime, Witness, judge_chain, trust_anchors
from roeh.keys.home_file import unprovisioned_set
from roeh.keys.signer import KeyUsage, NodeName
from tests.apt import require_packages
from tests.authorities import NODE, City, day_us, days, list_pem, revoked

CITY = City()
LEAF = CITY.leaf()
ON_DAY_100 = SigningTime(t_utc_us=day_us(100))
NOTHING_REVOKED = list_pem(CITY.root) + list_pem(CITY.node_ca)


def judge(chain, *, lists=NOTHING_REVOKED, anchors=None, usage=KeyUsage.MEDIA, **question):
    question.setdefault("signed", ON_DAY_100)
    return judge_chain(
        chain, usage, anchors=trust_anchors(anchors or CITY.anchors_pem, lists), **question
    )


def test_the_citys_own_chain_is_trusted_and_names_its_node():
    verdict = judge(CITY.chain(LEAF), node=NODE)

    assert verdict.is_trusted, verdict.reason
    assert verdict.name == NODE
    assert verdict.usage is KeyUsage.MEDIA
    assert verdict.is_revocation_checked
    assert verdict.serial == f"{LEAF.serial_number:x}"


def test_the_root_in_the_chain_changes_nothing():
    assert judge(CITY.chain(LEAF) + CITY.anchors_pem).is_trusted


def test_the_node_ca_may_be_the_anchor_itself():
    anchors = certificate_pem(CITY.node_ca.certificate)

    assert judge(certificate_pem(LEAF), anchors=anchors).is_trusted


def test_a_foreign_city_is_not_trusted_whatever_it_calls_itself():
    foreign = City()  # of the same names

    verdict = judge(foreign.chain(foreign.leaf()))

    assert not verdict.is_trusted
    assert "no trust anchor" in verdict.reason


def test_what_a_node_made_for_itself_is_not_trusted_and_called_so():
    made = unprovisioned_set(NODE)["media.pem"]

    verdict = judge(made)

    assert not verdict.is_trusted
    assert verdict.is_unprovisioned
    assert "unprovisioned" in verdict.reason


@pytest.mark.parametrize("other", [KeyUsage.LOG, KeyUsage.MANIFEST, KeyUsage.TLS])
def test_a_key_for_another_use_is_not_trusted(other):
    verdict = judge(CITY.chain(CITY.leaf(other)))

    assert not verdict.is_trusted
    assert "not for media" in verdict.reason
    assert judge(CITY.chain(CITY.leaf(other)), usage=other).is_trusted


def test_the_key_of_another_node_is_not_trusted_where_the_node_is_known():
    other = CITY.leaf(name=NodeName(site="haifa", node="pole-8"))

    verdict = judge(CITY.chain(other), node=NODE)

    assert not verdict.is_trusted
    assert "haifa/pole-8" in verdict.reason


@pytest.mark.parametrize(
    ("on_day", "error_days", "trusted"),
    [(-1, 0, False), (-1, 2, True), (0, 0, True), (10, 0, True), (12, 0, False), (12, 3, True)],
)
def test_it_counts_from_its_first_to_its_last_day_within_the_clocks_error(
    on_day, error_days, trusted
):
    leaf = CITY.leaf(validity=days(0, 10))
    error_us = day_us(error_days) - day_us(0)

    verdict = judge(CITY.chain(leaf), signed=SigningTime(day_us(on_day), error_us))

    assert verdict.is_trusted is trusted, verdict.reason


def test_a_leaf_may_not_vouch_for_another():
    private_key = new_private_key()
    leaf = leaf_certificate(
        node_subject(NODE, "media"),
        private_key.public_key(),
        KeyUsage.MEDIA,
        CITY.node_ca,
        days(0, 10),
    )
    forged = (
        x509.CertificateBuilder()
        .issuer_name(leaf.subject)
        .subject_name(node_subject(NODE, "media"))
        .public_key(new_private_key().public_key())
        .serial_number(7)
        .not_valid_before(days(0, 10).not_before)
        .not_valid_after(days(0, 1000).not_after)
        .add_extension(
            leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value, critical=False
        )
        .add_extension(leaf.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True)
        .sign(private_key, hashes.SHA256())
    )

    verdict = judge(
        certificate_pem(forged, leaf, CITY.node_ca.certificate), signed=SigningTime(day_us(5))
    )

    assert not verdict.is_trusted
    assert "no CA" in verdict.reason


def test_a_node_ca_may_not_make_another_ca():
    below = node_authority(
        authority_name("a CA of the node CA"), new_private_key(), CITY.node_ca, days(0, 3650)
    )
    leaf = leaf_certificate(
        node_subject(NODE, "media"),
        new_private_key().public_key(),
        KeyUsage.MEDIA,
        below,
        days(0, 1000),
    )

    verdict = judge(certificate_pem(leaf, below.certificate, CITY.node_ca.certificate))

    assert not verdict.is_trusted
    assert "CAs below" in verdict.reason


def test_a_ca_does_not_sign_video():
    verdict = judge(certificate_pem(CITY.node_ca.certificate))

    assert not verdict.is_trusted
    assert "is a CA" in verdict.reason


def test_after_its_revocation_a_key_counts_for_nothing():
    lists = list_pem(CITY.root) + list_pem(CITY.node_ca, revoked(LEAF, on_day=50))

    verdict = judge(CITY.chain(LEAF), lists=lists)

    assert not verdict.is_trusted
    assert "was revoked as of 2026-02-20" in verdict.reason


def test_before_its_revocation_the_signers_word_alone_does_not_count():
    # Who stole the key on day 50 can write any earlier date.
    lists = list_pem(CITY.root) + list_pem(CITY.node_ca, revoked(LEAF, on_day=50))

    verdict = judge(CITY.chain(LEAF), lists=lists, signed=SigningTime(day_us(40)))

    assert not verdict.is_trusted
    assert "nobody but the signer" in verdict.reason


@pytest.mark.parametrize(
    ("seen_on_day", "trusted"), [(41, True), (49, True), (50, False), (60, False)]
)
def test_what_a_witness_saw_before_the_revocation_still_counts(seen_on_day, trusted):
    lists = list_pem(CITY.root) + list_pem(CITY.node_ca, revoked(LEAF, on_day=50))

    verdict = judge(
        CITY.chain(LEAF),
        lists=lists,
        signed=SigningTime(day_us(40)),
        witness=Witness(t_utc_us=day_us(seen_on_day), source="the control room"),
    )

    assert verdict.is_trusted is trusted, verdict.reason
    assert "the control room saw it" in verdict.reason


def test_a_witness_whose_clock_might_be_wrong_by_that_much_does_not_count():
    lists = list_pem(CITY.root) + list_pem(CITY.node_ca, revoked(LEAF, on_day=50))
    witness = Witness(day_us(49), "the control room", error_us=day_us(2) - day_us(0))

    assert not judge(CITY.chain(LEAF), lists=lists, witness=witness).is_trusted


def test_a_compromise_that_was_found_later_counts_from_when_it_happened():
    entry = revoked(LEAF, on_day=50, compromised_on_day=30)
    lists = list_pem(CITY.root) + list_pem(CITY.node_ca, entry)

    for seen_on_day, trusted in ((29, True), (40, False)):
        witness = Witness(t_utc_us=day_us(seen_on_day), source="the control room")
        signed = SigningTime(day_us(20))
        verdict = judge(CITY.chain(LEAF), lists=lists, witness=witness, signed=signed)
        assert verdict.is_trusted is trusted


def test_a_revoked_node_ca_takes_all_its_leaves_with_it():
    entry = revoked(CITY.node_ca.certificate, on_day=50)
    lists = list_pem(CITY.root, entry) + list_pem(CITY.node_ca)

    verdict = judge(CITY.chain(LEAF), lists=lists)

    assert not verdict.is_trusted
    assert "node CA" in verdict.reason


def test_a_newer_list_does_not_bring_a_revoked_key_back():
    old = list_pem(CITY.node_ca, revoked(LEAF, on_day=50), made_on_day=60)
    new = list_pem(CITY.node_ca, made_on_day=90)

    assert not judge(CITY.chain(LEAF), lists=list_pem(CITY.root) + new + old).is_trusted


def test_without_lists_the_verdict_says_what_it_did_not_check():
    verdict = judge(CITY.chain(LEAF), lists=b"")

    assert verdict.is_trusted
    assert not verdict.is_revocation_checked
    assert "NOT CHECKED" in verdict.reason


def test_a_list_of_another_ca_of_the_same_name_is_none():
    stranger = City()

    verdict = judge(CITY.chain(LEAF), lists=list_pem(stranger.root) + list_pem(stranger.node_ca))

    assert not verdict.is_revocation_checked


def test_a_list_that_somebody_else_signed_is_not_passed_over():
    # It carries the node CA's key identifier, and another key's signature.
    forger = City()
    forged = list_pem(type(CITY.node_ca)(CITY.node_ca.certificate, forger.node_ca.private_key))

    verdict = judge(CITY.chain(LEAF), lists=list_pem(CITY.root) + forged)

    assert not verdict.is_trusted
    assert "not signed by it" in verdict.reason


@pytest.mark.parametrize("chain", [b"", b"text", certificate_pem(LEAF)])
def test_a_chain_that_leads_nowhere_is_a_verdict_too(chain):
    assert not judge(chain).is_trusted


def test_other_makers_chains_can_be_judged_without_our_usages():
    verdict = judge(CITY.chain(CITY.leaf(KeyUsage.LOG)), usage=None)

    assert verdict.is_trusted
    assert verdict.usage is KeyUsage.LOG


def test_a_leaf_is_no_anchor():
    with pytest.raises(KeyRefused, match="not the certificate of a CA"):
        trust_anchors(certificate_pem(LEAF))


@given(st.integers(0, 2**64), st.binary(min_size=1, max_size=3))
def test_no_damaged_chain_is_believed_as_another_and_none_raises(place, change):
    chain = bytearray(CITY.chain(LEAF))
    at = place % len(chain)
    chain[at : at + len(change)] = change

    verdict = judge(bytes(chain))

    assert not verdict.is_trusted or verdict.serial == f"{LEAF.serial_number:x}"


def test_openssl_agrees_with_the_chain_and_with_its_revocation(tmp_path):
    require_packages("openssl")
    (tmp_path / "root.pem").write_bytes(CITY.anchors_pem)
    (tmp_path / "ca.pem").write_bytes(certificate_pem(CITY.node_ca.certificate))
    (tmp_path / "leaf.pem").write_bytes(certificate_pem(LEAF))

    def openssl(lists):
        (tmp_path / "lists.pem").write_bytes(lists)
        command = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", "lists.pem"]
        at = ["-attime", str(day_us(210) // 1_000_000)]
        files = ["-CAfile", "root.pem", "-untrusted", "ca.pem", "leaf.pem"]
        return subprocess.run(
            [*command, *at, *files], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    good = openssl(NOTHING_REVOKED)
    assert good.returncode == 0, good.stderr
    bad = openssl(list_pem(CITY.root) + list_pem(CITY.node_ca, revoked(LEAF, on_day=50)))
    assert "certificate revoked" in bad.stderr
