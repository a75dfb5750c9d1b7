"""The control room's side of the ceremony: a CA of its own, and what it may vouch for."""

import argparse
import stat

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from roeh.core.errors import EXIT_OK, KeyRefused
from roeh.keys.authority import AuthorityDirectory
from roeh.keys.certificates import certificate_pem, leaf_certificate, new_private_key, node_subject
from roeh.keys.chain import SigningTime, judge_chain, trust_anchors
from roeh.keys.commands import add_arguments, run
from roeh.keys.key_pem import certificates_in
from roeh.keys.service_names import ServiceKind, parse_service_name, service_name
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.trusted_pem import trusted_certificate_pem, trusted_certificates_in
from tests.ceremonies import CLOCK, pole_of
from tests.key_nodes import node_with_keys

LONGEST = "a" * 54


class Keeper:
    """A city's offline machine; commands as they are typed."""

    def __init__(self, directory, capsys):
        self.at = directory
        self._capsys = capsys
        self.keys("root", directory / "root", "--plain")
        self.keys("ca", directory / "nodes", "--root", directory / "root", "--plain")
        self.keys("service-ca", directory / "services", "--root", directory / "root", "--plain")

    def keys(self, *words):
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert run(parser.parse_args([str(word) for word in words])) == EXIT_OK
        return self._capsys.readouterr().out

    def service(self, name, kind, *more, ca="services", out="desk"):
        places = ("--ca", self.at / ca, "--out", self.at / out)
        return self.keys("service", name, "--kind", kind, *places, *more)

    def read(self, file):
        return (self.at / file).read_bytes()


@pytest.fixture
def keeper(tmp_path, capsys):
    return Keeper(tmp_path, capsys)


def test_a_service_gets_key_and_certificate_in_one_file_of_its_own(keeper):
    keeper.service("haifa", "desk")

    leaf, authority = certificates_in(keeper.read("desk/desk.pem"))
    assert leaf.subject.rfc4514_string() == "CN=desk:haifa"
    leaf.verify_directly_issued_by(authority)
    assert stat.S_IMODE((keeper.at / "desk/desk.pem").stat().st_mode) == 0o600
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert keeper.read("desk/broker-ca.pem") == keeper.read("services/broker-ca.pem")


def test_a_broker_is_named_by_its_hosts_and_is_no_client(keeper):
    keeper.service("haifa", "broker", "--host", "broker.example", "--host", "10.0.0.1")

    leaf = certificates_in(keeper.read("desk/broker.pem"))[0]
    named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert named.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert [str(ip) for ip in named.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_every_command_may_be_repeated_and_renew_makes_a_new_key(keeper):
    keeper.service("haifa", "desk")
    first = keeper.read("desk/desk.pem")

    assert "as before" in keeper.service("haifa", "desk")
    assert "is there" in keeper.keys(
        "service-ca", keeper.at / "services", "--root", keeper.at / "root", "--plain"
    )
    assert keeper.read("desk/desk.pem") == first

    keeper.service("haifa", "desk", "--renew")
    assert keeper.read("desk/desk.pem") != first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("haifa", "broker"), "a broker needs its hosts"),
        (("haifa", "desk", "--host", "h"), "nobody else has any"),
        (("Haifa", "desk"), "not the name of a service"),
        (("desk:haifa", "desk"), "not the name of a service"),
        ((LONGEST + "ab", "republish"), "not the name of a service"),
    ],
)
def test_what_no_service_can_be_is_refused(keeper, words, said):
    with pytest.raises(KeyRefused, match=said):
        keeper.service(*words)


def test_the_longest_name_fits_into_a_certificate(keeper):
    keeper.service(LONGEST, "republish")


def test_a_directory_is_for_one_holder(keeper):
    keeper.service("haifa", "desk")

    with pytest.raises(KeyRefused, match="a file that is not of desk:haifa-2"):
        keeper.service("haifa-2", "desk")


def test_each_ca_keeps_to_its_own_side(keeper, tmp_path):
    with pytest.raises(KeyRefused, match="no service CA"):
        keeper.service("haifa", "desk", ca="nodes")
    with pytest.raises(KeyRefused, match="holds a node CA"):
        keeper.keys("service-ca", tmp_path / "nodes", "--root", tmp_path / "root", "--plain")
    services = AuthorityDirectory(tmp_path / "services", passphrase=None)
    requests = pole_of(node_with_keys(tmp_path / "node")).request(KeyUsage)
    with pytest.raises(KeyRefused, match="a service CA signs no nodes"):
        services.sign(requests, 30, CLOCK)


@pytest.mark.parametrize("usage", [KeyUsage.MEDIA, KeyUsage.LOG, KeyUsage.MANIFEST])
def test_the_service_ca_s_key_makes_no_evidence(keeper, usage):
    """Who has it may mint what it likes: no verifier that believes the root believes that."""
    services = AuthorityDirectory(keeper.at / "services", passphrase=None)
    leaf = leaf_certificate(
        node_subject(NodeName("haifa", "pole-7"), usage.value),
        new_private_key().public_key(),
        usage,
        services.authority,
        services.validity(30, CLOCK),
    )

    verdict = judge_chain(
        certificate_pem(leaf, services.certificate),
        usage,
        anchors=trust_anchors(keeper.read("root/ca.pem")),
        signed=SigningTime(CLOCK.read().t_utc_ns // 1000),
    )

    assert not verdict.is_trusted
    assert "not a CA for this use" in verdict.reason


def test_two_poles_of_one_name_are_not_certified_for_one_broker(keeper, tmp_path):
    nodes = AuthorityDirectory(tmp_path / "nodes", passphrase=None)
    for site in ("haifa", "harbour"):
        config = node_with_keys(tmp_path / site, site=site)
        requests = pole_of(config).request(KeyUsage)
        if site == "haifa":
            nodes.sign(requests, 30, CLOCK)
    with pytest.raises(KeyRefused, match="the name is taken: this CA has certified haifa/pole-7"):
        nodes.sign(requests, 30, CLOCK)


def test_what_a_ca_has_signed_is_shown_and_what_of_it_is_revoked(keeper):
    keeper.service("haifa", "desk")
    shown = keeper.keys("issued", "--ca", keeper.at / "services")
    serial = shown.split("serial ")[1].split()[0]
    assert shown.startswith("CN=desk:haifa")
    assert "REVOKED" not in shown

    keeper.keys("revoke", serial, "--ca", keeper.at / "services")

    assert "REVOKED" in keeper.keys("issued", "--ca", keeper.at / "services")


@pytest.mark.parametrize("kind", ServiceKind)
def test_a_service_s_name_is_read_as_it_was_written(kind):
    name = service_name(kind, "haifa-2")
    assert parse_service_name(str(name)) == name
    assert parse_service_name("haifa-2") is None
    assert parse_service_name(f"{kind.value}:Haifa") is None


def test_a_certificate_marked_as_believed_is_the_certificate(keeper):
    authority = certificates_in(keeper.read("services/ca.pem"))[0]
    marked = trusted_certificate_pem(authority, ExtendedKeyUsageOID.CLIENT_AUTH)
    assert trusted_certificates_in(marked + marked) == [authority, authority]
    with pytest.raises(KeyRefused):
        trusted_certificates_in(marked.replace(b"MII", b"AII"))
