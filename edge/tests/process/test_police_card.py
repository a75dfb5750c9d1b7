"""An approver whose key never leaves a card (SoftHSM in its place) signs as one with a file."""

import subprocess
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import serialization
from pkcs11 import Attribute, CertificateType, ObjectClass

from roeh.access.requests import read_approval
from roeh.cli import main
from roeh.core.retrieval import PersonRole
from tests.apt import require_packages
from tests.people import PeopledCity, an_export_request

PIN = "123456"
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
pytestmark = pytest.mark.apt("softhsm2")


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


@pytest.fixture(scope="module")
def approver(city):
    return city.person(PersonRole.APPROVER, "200", name="Ben Katz")


@pytest.fixture(scope="module")
def card(tmp_path_factory, city, approver):
    """A directory with the card's PIN in it; the card is where SoftHSM looks."""
    require_packages("softhsm2")
    directory = tmp_path_factory.mktemp("card")
    (directory / "tokens").mkdir()
    config = directory / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(config))
        key = directory / "key.pem"
        key.write_bytes(approver.key_pem)
        softhsm("--init-token", "--free", "--label", "police", "--so-pin", "87654321")
        softhsm("--import", key, "--token", "police", "--label", "signing", "--id", "01")
        softhsm("--import", key, "--token", "police", "--label", "bare", "--id", "02")
        put_certificate(approver.certificate, "signing")
        put_certificate(city.police_ca.certificate, "police CA")
        (directory / "pin").write_text(f"{PIN}\n")
        yield directory
        pkcs11.unload(str(MODULE))


def softhsm(*arguments):
    command = ["softhsm2-util", *map(str, arguments), "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True)


def put_certificate(certificate, label):
    """Of a key: under its label, as a card's issuer does."""
    token = pkcs11.lib(str(MODULE)).get_token(token_label="police")
    with token.open(rw=True, user_pin=PIN) as session:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.LABEL: label,
                Attribute.SUBJECT: certificate.subject.public_bytes(),
                Attribute.VALUE: certificate.public_bytes(serialization.Encoding.DER),
            }
        )


@pytest.fixture
def request_file(city, tmp_path):
    path = tmp_path / "request.p7m"
    path.write_bytes(city.person(PersonRole.INVESTIGATOR, "100").sign_request(an_export_request()))
    return path


def approve(request_file, card, label, *more, pin="pin"):
    return main(
        [
            *("police", "approve", str(request_file), "--pkcs11", str(MODULE)),
            *("--token", "police", "--key-label", label, "--pin-file", str(card / pin)),
            *("--out", str(request_file.with_name("approval.p7m")), "--yes", *map(str, more)),
        ]
    )


def test_a_card_signs_what_anybody_can_check(city, card, request_file, tmp_path, approver):
    assert approve(request_file, card, "signing") == 0
    approval = tmp_path / "approval.p7m"
    assert read_approval(approval.read_bytes()).approver_number == "200"
    # With the certificates that a court gets from the police CA.
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(approver.chain_pem + city.root_pem)
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", approval, "-purpose", "any"]
    checked = subprocess.run([*command, "-CAfile", authorities], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_card_without_a_certificate_takes_one_from_a_file(card, request_file, approver, capsys):
    assert approve(request_file, card, "bare") == 28
    assert "no certificate of that label" in capsys.readouterr().err
    chain = request_file.with_name("ben.pem")
    chain.write_bytes(approver.chain_pem)
    assert approve(request_file, card, "bare", "--card-cert", chain) == 0


def test_a_card_that_cannot_be_used_is_told_in_one_line(city, card, request_file, capsys):
    (card / "wrong").write_text("000000\n")
    another = request_file.with_name("another.pem")
    another.write_bytes(city.person(PersonRole.APPROVER, "300").chain_pem)
    for label, more, pin, said in (
        ("signing", (), "wrong", "the PIN is not its"),
        ("nobody's", (), "pin", "no private key of that label"),
        ("bare", ("--card-cert", another), "pin", "do not belong together"),
    ):
        assert approve(request_file, card, label, *more, pin=pin) == 28
        complaint = capsys.readouterr().err
        assert said in complaint
        assert complaint.count("\n") == 1
    assert not request_file.with_name("approval.p7m").exists()
