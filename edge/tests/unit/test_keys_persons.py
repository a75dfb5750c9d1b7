"""`roeh keys person` and `trust-list`: the ceremony for people, as it is typed, and repeated."""

import argparse
import shutil
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from roeh.access.judging import judge_person
from roeh.access.key_commands import add_arguments, run
from roeh.access.trust_list import newer, read_trust_list
from roeh.core.errors import EXIT_OK, AccessRefused, KeyRefused, OutputRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.certificates import certificate_pem
from roeh.keys.key_pem import certificates_in
from roeh.keys.persons import open_person_key
from tests.apt import require_packages
from tests.clocks import SynchronisedClock

PASSPHRASE = "correct horse battery"
WHO = {"--name": "דנה כהן", "--number": "4711", "--organisation": "Haifa police"}


class Keeper:
    """A city's offline machine and its persons; commands as they are typed."""

    def __init__(self, directory, capsys=None):
        self.at = directory
        self._capsys = capsys

    def make_authorities(self):
        self.keys("root", self.at / "root", "--plain")
        for kind in ("nodes", "police", "staff"):
            self.keys("ca", self.at / kind, "--root", self.at / "root", "--for", kind, "--plain")
        (self.at / "passphrase").write_text(PASSPHRASE)

    def keys(self, *words):
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert run(parser.parse_args([str(word) for word in words])) == EXIT_OK
        return self._capsys.readouterr().out if self._capsys else ""

    def request(self, name="cohen", *more, **changed):
        said = [word for pair in (WHO | changed).items() for word in pair]
        places = (self.at / f"{name}.key.pem", "--out", self.at / f"{name}.csr.pem")
        return self.keys("person", "request", *places, *said, *(more or ("--plain",)))

    def sign(self, name="cohen", role="investigator", *more, ca="police"):
        places = (
            self.at / f"{name}.csr.pem",
            "--ca",
            self.at / ca,
            "--out",
            self.at / f"{name}.pem",
        )
        return self.keys("person", "sign", *places, "--role", role, *more)

    def certificate(self, name="cohen"):
        return certificates_in(self.read(f"{name}.pem"))[0]

    def p12(self, *more):
        places = (self.at / "cohen.key.pem", "--certificate", self.at / "cohen.pem")
        secret = ("--passphrase-file", self.at / "passphrase")
        return self.keys("person", "p12", *places, "--out", self.at / "cohen.p12", *secret, *more)

    def make_lists(self):
        self.keys(
            "trust-list", "signer", self.at / "signer.pem", "--root", self.at / "root", "--plain"
        )
        for ca in ("root", "nodes", "police", "staff"):
            self.keys("revoke", "--ca", self.at / ca)

    def make_trust_list(self, version, *, without=()):
        crls = [self.at / ca / "revoked.pem" for ca in ("root", "police", "staff")]
        return self.keys(
            "trust-list", "make", "--signer", self.at / "signer.pem",
            "--device", self.at / "nodes/ca.pem", "--police", self.at / "police/ca.pem",
            "--staff", self.at / "staff/ca.pem", "--version", version,
            "--out", self.at / "trust-list.p7m",
            *[word for crl in crls if crl.parent.name not in without for word in ("--crl", crl)],
        )  # fmt: skip

    def trust(self):
        return read_trust_list(self.read("trust-list.p7m"), self.read("root/ca.pem"), None)

    def believed(self, name="cohen"):
        certificate = self.certificate(name)
        der = certificate.public_bytes(Encoding.DER)
        return judge_person(der, self.trust(), SynchronisedClock().read())

    def read(self, file):
        return (self.at / file).read_bytes()


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    directory = tmp_path_factory.mktemp("city")
    Keeper(directory).make_authorities()
    return directory


@pytest.fixture
def keeper(authorities, tmp_path, capsys):
    shutil.copytree(authorities, tmp_path, dirs_exist_ok=True)
    return Keeper(tmp_path, capsys)


def test_the_whole_ceremony_makes_a_person_whom_poles_believe(keeper):
    asked = keeper.request()
    signed = keeper.sign()
    keeper.make_lists()
    keeper.make_trust_list(1)

    person = keeper.believed()

    assert (person.number, person.name, person.organisation) == tuple(
        WHO[key] for key in ("--number", "--name", "--organisation")
    )
    assert person.role is PersonRole.INVESTIGATOR
    fingerprint = next(word for word in asked.split() if len(word) == 64)
    assert fingerprint in signed
    assert stat.S_IMODE((keeper.at / "cohen.key.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in keeper.read("cohen.pem")


def test_every_step_may_be_repeated(keeper):
    keeper.request()
    key, request = keeper.read("cohen.key.pem"), keeper.read("cohen.csr.pem")
    keeper.sign()
    first = keeper.certificate()

    assert "is there" in keeper.request()
    assert keeper.read("cohen.key.pem") == key
    assert keeper.read("cohen.csr.pem") != request  # signed again, by the same key
    assert "as before" in keeper.sign()
    assert keeper.certificate() == first


def test_a_dismissed_officer_is_refused_by_the_next_list(keeper):
    keeper.request()
    keeper.sign()
    keeper.make_lists()
    keeper.make_trust_list(1)
    first = keeper.trust()
    assert keeper.believed()

    serial = f"{keeper.certificate().serial_number:x}"
    keeper.keys("revoke", serial, "--ca", keeper.at / "police")
    keeper.make_trust_list(2)

    assert newer(first, keeper.trust())
    with pytest.raises(AccessRefused, match=r"^revoked: "):
        keeper.believed()
    assert serial in keeper.keys("trust-list", "show", keeper.at / "trust-list.p7m")
    assert "as before" not in keeper.sign()


def test_a_second_role_needs_a_second_key_and_is_the_same_person(keeper):
    keeper.request()
    keeper.sign()
    with pytest.raises(KeyRefused, match="another person or role"):
        keeper.sign(role="approver")

    keeper.request("cohen-2")
    said = keeper.sign("cohen-2", "approver")

    assert f"{keeper.certificate().serial_number:x}" in said


def test_one_key_is_not_two_persons(keeper):
    keeper.request()
    keeper.sign()
    keeper.request(**{"--number": "4712"})

    with pytest.raises(KeyRefused, match="another person"):
        keeper.sign()


@pytest.mark.parametrize("role", PersonRole)
def test_each_ca_makes_its_own_roles_only(keeper, role):
    keeper.request()
    is_police = role in {PersonRole.INVESTIGATOR, PersonRole.APPROVER}
    own = "police" if is_police else "staff"
    for ca in {"root", "nodes", "police", "staff"} - {own}:
        with pytest.raises(KeyRefused, match=f"makes no {role.value}"):
            keeper.sign("cohen", role.value, ca=ca)

    assert role.value in keeper.sign("cohen", role.value, ca=own)


def test_a_ca_for_persons_makes_no_pole_and_a_directory_stays_what_it_is(keeper):
    with pytest.raises(KeyRefused, match="holds a police CA, not a node CA"):
        keeper.keys("ca", keeper.at / "police", "--root", keeper.at / "root", "--plain")
    with pytest.raises(KeyRefused, match="a police CA signs no nodes"):
        keeper.keys(
            "sign",
            keeper.at / "root/ca.pem",
            "--ca",
            keeper.at / "police",
            "--out",
            keeper.at / "x",
        )
    with pytest.raises(KeyRefused, match="no service CA"):
        keeper.keys(
            "service", "haifa", "--kind", "desk", "--ca", keeper.at / "police",
            "--out", keeper.at / "desk",
        )  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"--number": ""},
        {"--number": "１２"},  # noqa: RUF001 - full-width digits
        {"--number": " 12"},
        {"--number": "1_2"},
        {"--name": ""},
        {"--name": "a\u202eb"},
        {"--name": "x" * 65},
        {"--organisation": "a\nb"},
    ],
)
def test_a_name_that_no_certificate_may_carry_is_refused_before_a_key_is_made(keeper, changed):
    with pytest.raises(KeyRefused) as refused:
        keeper.request(**changed)

    assert "\n" not in refused.value.line()
    assert not (keeper.at / "cohen.key.pem").exists()


def test_a_key_with_a_passphrase_is_asked_for_it(keeper):
    secret = ("--passphrase-file", keeper.at / "passphrase")
    keeper.request("cohen", *secret)
    keeper.request("cohen", *secret)
    keeper.sign()

    assert b"ENCRYPTED" in keeper.read("cohen.key.pem")
    key = open_person_key(
        keeper.at / "cohen.key.pem", keeper.at / "cohen.pem", lambda _: PASSPHRASE.encode()
    )
    assert key.chain_pem == keeper.read("cohen.pem")
    with pytest.raises(KeyRefused, match="passphrase is wrong"):
        open_person_key(keeper.at / "cohen.key.pem", keeper.at / "cohen.pem", lambda _: b"another")


def test_a_key_that_others_may_read_is_refused(keeper):
    keeper.request()
    keeper.sign()
    (keeper.at / "cohen.key.pem").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read"):
        keeper.p12()


@pytest.mark.apt("openssl")
def test_a_card_s_own_request_is_certified(keeper):
    require_packages("openssl")
    subject = "/O=Haifa police/CN=Dana Cohen/serialNumber=4711"
    openssl(keeper, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "card.key")
    openssl(keeper, "req", "-new", "-key", "card.key", "-subj", subject, "-out", "card.csr.pem")

    keeper.sign("card", "approver")

    assert "4711" in keeper.certificate("card").subject.rfc4514_string()
    openssl(keeper, "verify", "-CAfile", "root/ca.pem", "-untrusted", "police/ca.pem", "card.pem")


@pytest.mark.apt("openssl")
def test_openssl_takes_a_person_for_a_client_and_not_for_a_server(keeper):
    require_packages("openssl")
    keeper.request()
    keeper.sign()
    files = ("-CAfile", "root/ca.pem", "-untrusted", "police/ca.pem", "cohen.pem")

    openssl(keeper, "verify", "-purpose", "sslclient", *files)
    with pytest.raises(AssertionError, match="unsuitable certificate purpose"):
        openssl(keeper, "verify", "-purpose", "sslserver", *files)


@pytest.mark.apt("openssl")
@pytest.mark.parametrize(
    ("key", "subject", "says"),
    [
        (("-name", "prime256v1"), "/O=Police/CN=Dana", "number"),
        (("-name", "prime256v1"), "/O=Police/serialNumber=4711", "name"),
        (("-name", "prime256v1"), "/CN=Dana/serialNumber=4711", "organisation"),
        (("-name", "secp384r1"), "/O=Police/CN=Dana/serialNumber=4711", "P-256"),
    ],
)
def test_a_request_that_names_nobody_is_refused(keeper, key, subject, says):
    require_packages("openssl")
    openssl(keeper, "ecparam", *key, "-genkey", "-noout", "-out", "card.key")
    openssl(keeper, "req", "-new", "-key", "card.key", "-subj", subject, "-out", "card.csr.pem")

    with pytest.raises(KeyRefused, match=says):
        keeper.sign("card")
    assert not (keeper.at / "card.pem").exists()


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", b"\x00" * 9]
)
def test_garbage_is_no_request(keeper, content):
    (keeper.at / "card.csr.pem").write_bytes(content)

    with pytest.raises(KeyRefused):
        keeper.sign("card")


@pytest.mark.apt("openssl")
@pytest.mark.parametrize("more", [(), ("--for-old-phones",)])
def test_a_phone_s_file_holds_key_certificate_and_ca(keeper, more):
    require_packages("openssl")
    keeper.request()
    keeper.sign()
    keeper.p12(*more)

    found = openssl(
        keeper, "pkcs12", "-in", "cohen.p12", "-passin", f"pass:{PASSPHRASE}", "-nodes",
    )  # fmt: skip

    certificates = certificates_in(found)
    assert certificate_pem(*certificates) == keeper.read("cohen.pem")
    key = load_pem_private_key(found[found.index(b"-----BEGIN PRIVATE") :], None)
    assert key.public_key() == certificates[0].public_key()
    assert stat.S_IMODE((keeper.at / "cohen.p12").stat().st_mode) == 0o600


def test_the_same_version_is_not_signed_twice_and_another_content_needs_another_version(keeper):
    keeper.make_lists()
    keeper.make_trust_list(3)
    first = keeper.read("trust-list.p7m")

    assert "says the same" in keeper.make_trust_list(3)
    assert keeper.read("trust-list.p7m") == first
    keeper.keys("revoke", "--ca", keeper.at / "police")
    for version in (2, 3):
        with pytest.raises(KeyRefused, match="make version 4"):
            keeper.make_trust_list(version)
    keeper.make_trust_list(4)
    assert keeper.trust().trust_list.version == 4


def test_a_list_that_a_pole_would_refuse_is_not_given_out(keeper):
    keeper.make_lists()

    with pytest.raises(AccessRefused, match=r"^revocation_unknown: "):
        keeper.make_trust_list(1, without=("police",))
    with pytest.raises(KeyRefused, match="not a version"):
        keeper.make_trust_list(0)
    assert not (keeper.at / "trust-list.p7m").exists()


def test_a_list_is_shown_by_the_reader_s_own_root_or_by_the_one_in_it(keeper, tmp_path):
    keeper.make_lists()
    keeper.make_trust_list(1)
    shown = keeper.keys("trust-list", "show", keeper.at / "trust-list.p7m")

    assert "version 1" in shown
    assert "compare it" in shown
    own = ("--root", keeper.at / "root/ca.pem")
    assert "compare it" not in keeper.keys("trust-list", "show", keeper.at / "trust-list.p7m", *own)
    keeper.keys("root", tmp_path / "other", "--plain")
    with pytest.raises(AccessRefused, match=r"^trust_list_signer: "):
        keeper.keys(
            "trust-list", "show", keeper.at / "trust-list.p7m",
            "--root", tmp_path / "other/ca.pem",
        )  # fmt: skip


def test_the_signer_is_made_once_by_the_root_alone(keeper):
    keeper.make_lists()
    signer = keeper.read("signer.pem")

    keeper.make_lists()
    assert keeper.read("signer.pem") == signer
    assert stat.S_IMODE((keeper.at / "signer.pem").stat().st_mode) == 0o600
    with pytest.raises(KeyRefused, match="makes no signer"):
        keeper.keys(
            "trust-list", "signer", keeper.at / "x.pem", "--root", keeper.at / "police", "--plain"
        )
    keeper.request()
    with pytest.raises(KeyRefused, match="not the file of a signer"):
        keeper.keys(
            "trust-list", "signer", keeper.at / "cohen.key.pem",
            "--root", keeper.at / "root", "--plain",
        )  # fmt: skip


def test_an_output_that_fails_leaves_the_certificate_on_record_and_repeating_gives_it_again(keeper):
    keeper.request()
    (keeper.at / "cohen.pem").mkdir()
    with pytest.raises(OutputRefused, match="cannot be written"):
        keeper.sign()
    (keeper.at / "cohen.pem").rmdir()

    assert "as before" in keeper.sign()
    assert len(list((keeper.at / "police/issued").glob("*.pem"))) == 1


def openssl(keeper, *words):
    done = subprocess.run(["openssl", *words], cwd=keeper.at, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
