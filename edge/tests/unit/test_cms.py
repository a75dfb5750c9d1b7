"""Signed objects: what openssl makes of ours, what we make of openssl's, and what is refused."""

import subprocess

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.core.errors import KeyRefused
from roeh.core.retrieval import MAX_SIGNED_BYTES, PersonRole
from roeh.keys import cms
from roeh.keys.certificates import certificate_pem
from roeh.keys.cms import read_signed, sign_attached, sign_detached
from roeh.keys.signer import KeyUsage
from tests.apt import require_packages
from tests.authorities import day_us
from tests.people import PeopledCity

CONTENT = '{"case":"2026/1234","כן":true}'.encode()
SIGNED_US = day_us(301) + 1_000_000
#: RFC 5652 says GeneralizedTime from here on.
YEAR_2050_US = 2_524_608_000_000_000


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


@pytest.fixture(scope="module")
def officer(city):
    return city.person(PersonRole.APPROVER, "200")


def attached(holder, content=CONTENT, t_utc_us=SIGNED_US):
    return sign_attached(content, chain_pem=holder.chain_pem, sign=holder.sign, t_utc_us=t_utc_us)


def detached(holder, content=CONTENT):
    return sign_detached(content, chain_pem=holder.chain_pem, sign=holder.sign, t_utc_us=SIGNED_US)


@pytest.mark.parametrize("content", [CONTENT, b"", b"\r\n\x00" * 5000])
def test_what_was_signed_is_read_with_its_signer_and_time(officer, content):
    inside = read_signed(attached(officer, content))
    beside = read_signed(detached(officer, content), content)

    for read in (inside, beside):
        assert read.content == content
        assert read.signer_der == officer.certificate_der
        assert read.chain_pem == officer.chain_pem
        assert read.signing_time_utc_us == SIGNED_US


@pytest.mark.parametrize("t_utc_us", [0, -1_000_000, YEAR_2050_US - 1_000_000, YEAR_2050_US])
def test_any_second_of_the_calendar_can_be_a_signing_time(officer, t_utc_us):
    assert read_signed(attached(officer, t_utc_us=t_utc_us)).signing_time_utc_us == t_utc_us


def test_the_time_of_no_calendar_is_refused(officer):
    with pytest.raises(KeyRefused, match="in no calendar"):
        attached(officer, t_utc_us=2**62)


def test_nothing_is_signed_with_another_key_s_certificate(city, officer):
    other = city.person(PersonRole.APPROVER, "300")

    with pytest.raises(KeyRefused, match="signature is wrong"):
        sign_attached(CONTENT, chain_pem=officer.chain_pem, sign=other.sign, t_utc_us=SIGNED_US)


def test_a_signature_without_the_ca_s_certificate_is_refused(officer):
    with pytest.raises(KeyRefused, match="signer's CA"):
        sign_attached(
            CONTENT,
            chain_pem=certificate_pem(officer.certificate),
            sign=officer.sign,
            t_utc_us=SIGNED_US,
        )


def test_certificates_that_are_not_the_signer_s_are_refused(city, officer):
    chain = officer.chain_pem + certificate_pem(city.staff_ca.certificate)

    with pytest.raises(KeyRefused, match="not its signer's"):
        sign_attached(CONTENT, chain_pem=chain, sign=officer.sign, t_utc_us=SIGNED_US)


def test_content_has_to_be_where_it_is_looked_for(officer):
    with pytest.raises(KeyRefused, match="without its content"):
        read_signed(detached(officer))
    with pytest.raises(KeyRefused, match="content inside"):
        read_signed(attached(officer), CONTENT)
    with pytest.raises(KeyRefused, match="digest differs"):
        read_signed(detached(officer), CONTENT + b" ")


def test_what_is_too_large_is_neither_written_nor_read(officer):
    with pytest.raises(KeyRefused, match="which none of ours has"):
        attached(officer, bytes(MAX_SIGNED_BYTES))
    with pytest.raises(KeyRefused, match="which none of ours has"):
        read_signed(bytes(MAX_SIGNED_BYTES + 1))


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x30", b"\x30\x80\x00\x00", b"-----BEGIN CMS-----", b"\x30\x84\xff\xff\xff\xff"],
)
def test_garbage_is_one_clear_refusal(garbage):
    with pytest.raises(KeyRefused, match="a signed object") as refusal:
        read_signed(garbage)
    assert "\n" not in refusal.value.line()


def test_bytes_after_the_object_and_another_encoding_are_refused(officer):
    der = attached(officer)

    with pytest.raises(KeyRefused):
        read_signed(der + b"\x00")
    # The outer length in one byte more than DER allows.
    assert der[:2] == b"\x30\x82"
    with pytest.raises(KeyRefused):
        read_signed(b"\x30\x83\x00" + der[2:])


def test_two_signers_or_two_digests_are_refused(officer):
    info = asn1.decode_der(cms._ContentInfo, attached(officer))
    data = info.content

    def rewritten(**changed):
        said = {
            "version": 1,
            "digest_algorithms": data.digest_algorithms,
            "encapsulated": data.encapsulated,
            "certificates": data.certificates,
            "signers": data.signers,
        }
        again = cms._SignedData(**(said | changed))
        return asn1.encode_der(cms._ContentInfo(content_type=info.content_type, content=again))

    assert read_signed(rewritten()).content == CONTENT
    signer = data.signers.as_list()[0]
    algorithm = data.digest_algorithms.as_list()[0]
    for changed in (
        {"signers": asn1.SetOf([signer, signer])},
        {"signers": asn1.SetOf([])},
        {"digest_algorithms": asn1.SetOf([algorithm, algorithm])},
        {"certificates": asn1.SetOf([])},
        {"certificates": asn1.SetOf(data.certificates.as_list() * 3)},
        {"version": 3},
    ):
        with pytest.raises(KeyRefused):
            read_signed(rewritten(**changed))


@pytest.mark.parametrize(("mask", "is_attached"), [(0x01, True), (0xFF, False)])
def test_no_byte_can_be_flipped_into_another_content_or_signer(officer, mask, is_attached):
    der, beside = (attached(officer), None) if is_attached else (detached(officer), CONTENT)
    genuine = read_signed(der, beside)
    refused = 0
    for place in range(len(der)):
        flipped = bytearray(der)
        flipped[place] ^= mask
        try:
            read = read_signed(bytes(flipped), beside)
        except KeyRefused:
            refused += 1
            continue
        # Only in the CA's certificate: who judges the signer looks at that.
        assert read.content == genuine.content
        assert read.signer_der == genuine.signer_der
        assert read.signing_time_utc_us == genuine.signing_time_utc_us
    assert refused > len(der) / 2


def test_it_can_be_cut_nowhere(officer):
    der = attached(officer)
    for size in range(len(der)):
        with pytest.raises(KeyRefused):
            read_signed(der[:size])


class OpenSsl:
    """The openssl program in a directory with the city's root and a person's files."""

    def __init__(self, directory, city, holder):
        require_packages("openssl")
        self._at = directory
        self.write("root.pem", city.root_pem)
        leaf = certificate_pem(holder.certificate)
        self.write("leaf.pem", leaf)
        self.write("ca.pem", holder.chain_pem.removeprefix(leaf))
        self.write("key.pem", holder.key_pem)

    def write(self, name, content):
        (self._at / name).write_bytes(content)

    def read(self, name):
        return (self._at / name).read_bytes()

    def cms(self, *words):
        return subprocess.run(
            ["openssl", "cms", *words], cwd=self._at, capture_output=True, check=False
        )

    def verify(self, *words):
        return self.cms(
            "-verify", "-binary", "-inform", "DER", "-in", "signed.der",
            "-CAfile", "root.pem", "-purpose", "any", *words,
        )  # fmt: skip


@pytest.fixture
def openssl(tmp_path, city, officer):
    return OpenSsl(tmp_path, city, officer)


@pytest.mark.apt("openssl")
def test_openssl_verifies_ours(openssl, officer):
    openssl.write("content", CONTENT)
    openssl.write("signed.der", attached(officer))
    inside = openssl.verify()
    openssl.write("signed.der", detached(officer))
    beside = openssl.verify("-content", "content")
    openssl.write("content", CONTENT + b"!")
    forged = openssl.verify("-content", "content")

    assert (inside.returncode, inside.stdout) == (0, CONTENT), inside.stderr
    assert (beside.returncode, beside.stdout) == (0, CONTENT), beside.stderr
    assert forged.returncode != 0


@pytest.mark.apt("openssl")
def test_openssl_verifies_a_manifest_by_the_pole_s_own_key(tmp_path, city):
    manifest = city.pole_key(KeyUsage.MANIFEST)
    openssl = OpenSsl(tmp_path, city, manifest)
    openssl.write("content", CONTENT)
    openssl.write("signed.der", detached(manifest))

    assert openssl.verify("-content", "content").returncode == 0


@pytest.mark.apt("openssl")
@pytest.mark.parametrize("inside", [True, False])
def test_we_read_openssl_s(openssl, officer, inside):
    openssl.write("content", CONTENT)
    made = openssl.cms(
        "-sign", "-binary", "-in", "content", "-signer", "leaf.pem", "-inkey", "key.pem",
        "-certfile", "ca.pem", "-md", "sha256", "-outform", "DER", "-out", "signed.der",
        *(["-nodetach"] if inside else []),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr

    read = read_signed(openssl.read("signed.der"), None if inside else CONTENT)

    assert read.content == CONTENT
    assert read.signer_der == officer.certificate.public_bytes(Encoding.DER)
    assert read.chain_pem == officer.chain_pem


@pytest.mark.apt("openssl")
@pytest.mark.parametrize(
    "words",
    [
        ("-md", "sha512"),
        ("-md", "sha256", "-noattr"),
        ("-md", "sha256", "-nocerts"),
        ("-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4"),
    ],
)
def test_what_else_openssl_can_make_is_refused(openssl, words):
    openssl.write("content", CONTENT)
    made = openssl.cms(
        "-sign", "-binary", "-nodetach", "-in", "content", "-signer", "leaf.pem",
        "-inkey", "key.pem", "-certfile", "ca.pem", "-outform", "DER", "-out", "signed.der",
        *words,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr

    with pytest.raises(KeyRefused, match="a signed object"):
        read_signed(openssl.read("signed.der"))
