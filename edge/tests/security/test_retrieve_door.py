"""Who gets as far as a request, and for how long: certificates of every wrong kind."""

import contextlib
import datetime
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from roeh.core.clock import SystemClock
from roeh.core.paths import retrieve_tls_dir
from roeh.core.retrieval import PersonRole
from roeh.keys.certificates import Validity, new_private_key
from roeh.keys.person_certificates import AuthorityClass
from roeh.keys.signer import KeyUsage, NodeName
from roeh.retrieve.api.routes import API
from roeh.retrieve.door.doors import REFUSALS_A_MINUTE
from tests.authorities import revoked
from tests.people import KeyHolder, PeopledCity
from tests.visited_poles import NODE_NAME, SITE, own_address, visited_pole
from tests.waiting import wait_until

CLOCK = SystemClock()
NODE = f"{API}/node"
#: What somebody sees who is hung up on.
TURNED_AWAY = (ConnectionError, ssl.SSLError)


def now():
    seconds = CLOCK.read().t_utc_ns // 1_000_000_000
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def hours(first, last):
    return Validity(*(now() + datetime.timedelta(hours=number) for number in (first, last)))


def of_another_city(_pole):
    return PeopledCity("Other").person(PersonRole.INVESTIGATOR)


def nobody(_pole):
    return None


def self_signed(_pole):
    key = new_private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody")])
    validity = hours(-1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .sign(key, hashes.SHA256())
    )
    return KeyHolder(certificate, key, certificate.public_bytes(Encoding.PEM))


def expired(pole):
    return pole.person(PersonRole.INVESTIGATOR, validity=hours(-2, -1))


def not_yet_valid(pole):
    return pole.person(PersonRole.INVESTIGATOR, validity=hours(1, 2))


def a_pole(pole):
    """The node CA stands under the same root, and even in the trust list."""
    return pole.city.pole_key(KeyUsage.TLS, name=NodeName(site=SITE, node=NODE_NAME))


#: Who is turned away, and what is on record of it.
STRANGERS = {
    of_another_city: "certificate: unable to get local issuer certificate",
    nobody: "certificate: none was shown",
    self_signed: "certificate: self-signed certificate",
    expired: "certificate: certificate has expired",
    not_yet_valid: "certificate: certificate is not yet valid",
    a_pole: "certificate: unable to get local issuer certificate",
}


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda stranger: stranger.__name__)
def test_nobody_else_is_let_in_and_it_is_on_record(pole, stranger):
    with pytest.raises(TURNED_AWAY):
        pole.visit(stranger(pole)).get(NODE)
    wait_until(lambda: STRANGERS[stranger] in strangers_on_record(pole))


def test_tls_before_1_3_is_no_language_here(pole):
    context = pole.context(pole.person(PersonRole.TECHNICIAN))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with raw_connection(pole) as connection, pytest.raises(TURNED_AWAY):
        context.wrap_socket(connection, server_hostname=NODE_NAME)
    wait_until(lambda: "no TLS 1.3" in strangers_on_record(pole))


def test_a_session_is_never_taken_up_again(pole):
    """Whoever was let in once proves it anew the next time."""
    context = pole.context(pole.person(PersonRole.TECHNICIAN))
    with (
        raw_connection(pole) as connection,
        context.wrap_socket(connection, server_hostname=NODE_NAME) as tls,
    ):
        tls.sendall(f"GET {NODE} HTTP/1.1\r\nHost: pole\r\n\r\n".encode())
        assert tls.recv(100).startswith(b"HTTP/1.1 200")
        assert tls.version() == "TLSv1.3"
        assert tls.session is None or not tls.session.has_ticket


def test_whoever_is_dismissed_while_connected_is_refused_at_once(pole):
    dismissed, other = (pole.person(PersonRole.INVESTIGATOR) for _ in range(2))
    visitor, bystander = pole.visit(dismissed), pole.visit(other)
    assert (visitor.get(NODE).status, bystander.get(NODE).status) == (200, 200)
    connection = visitor.socket
    renewed = pole.new_trust_list(revoked=[revoked(dismissed.certificate, on_day=100)])
    assert bystander.post_signed(f"{API}/trust-list", renewed).status == 200
    answer = visitor.get(NODE)
    assert visitor.socket is connection
    assert (answer.status, answer.json["what"]) == (403, "revoked")
    assert bystander.get(NODE).status == 200


def test_a_certificate_that_ends_meanwhile_ends_what_it_was_good_for(pole):
    brief = Validity(now() - datetime.timedelta(hours=1), now() + datetime.timedelta(seconds=2))
    visitor = pole.visit(pole.person(PersonRole.APPROVER, validity=brief))
    assert visitor.get(NODE).status == 200
    refused = wait_until(lambda: next((a for a in [visitor.get(NODE)] if a.status != 200), None))
    assert (refused.status, refused.json["what"]) == (403, "expired")


def test_another_authority_is_greeted_without_ending_anybodys_visit(pole):
    city = pole.city
    new_ca = city.person_ca(AuthorityClass.POLICE, "The new police CA")
    newcomer = city.person(PersonRole.APPROVER, "9001", issuer=new_ca)
    visitor = pole.visit(pole.person(PersonRole.TECHNICIAN))
    assert visitor.get(NODE).status == 200
    connection = visitor.socket
    with pytest.raises(TURNED_AWAY):
        pole.visit(newcomer).get(NODE)
    issuers = (city.root, city.node_ca, city.police_ca, city.staff_ca, new_ca)
    number = pole.next_version
    renewed = pole.new_trust_list(
        authorities=[*city.authorities(), (AuthorityClass.POLICE, new_ca)],
        revocation_lists=[city.revocation_list(issuer, number=number) for issuer in issuers],
    )
    assert visitor.post_signed(f"{API}/trust-list", renewed).status == 200

    def is_let_in():
        with contextlib.suppress(OSError):
            return pole.visit(newcomer).get(NODE).status == 200

    wait_until(is_let_in)
    assert visitor.get(NODE).status == 200
    assert visitor.socket is connection


def test_a_new_key_of_the_pole_is_shown_without_ending_anybodys_visit(pole):
    visitor = pole.visit(pole.person(PersonRole.TECHNICIAN))
    assert visitor.get(NODE).status == 200
    connection, shown = visitor.socket, visitor.socket.getpeercert(binary_form=True)
    tls_file = retrieve_tls_dir(pole.config) / "tls.pem"
    renewed = tls_file.with_name("tls.new")
    name = NodeName(site=SITE, node=NODE_NAME)
    renewed.write_bytes(pole.city.pole_key(KeyUsage.TLS, name=name).pem)
    renewed.replace(tls_file)

    def is_shown():
        another = pole.visit(pole.person(PersonRole.TECHNICIAN))
        assert another.get(NODE).status == 200
        is_another = another.socket.getpeercert(binary_form=True) != shown
        another.close()
        return is_another

    wait_until(is_shown)
    assert visitor.get(NODE).status == 200
    assert visitor.socket is connection


def test_the_door_closes_for_an_address_that_is_refused_too_often(pole):
    address, technician = own_address(), pole.person(PersonRole.TECHNICIAN)
    for _ in range(REFUSALS_A_MINUTE):
        assert pole.visit(technician, address).get(NODE).status == 200
        with pytest.raises(TURNED_AWAY):
            pole.visit(None, address).get(NODE)
    with pytest.raises(TURNED_AWAY):
        pole.visit(technician, address).get(NODE)
    assert pole.visit(technician).get(NODE).status == 200


def test_nothing_is_shown_while_evidence_cannot_judge(tmp_path):
    with visited_pole(tmp_path) as lonely:
        visitor = lonely.visit(lonely.person(PersonRole.APPROVER))
        assert visitor.get(NODE).status == 200
        lonely.evidence.kill()
        for path in ("/node", "/holds", "/exports", "/custody", "/openapi.json"):
            answer = visitor.get(API + path)
            assert (answer.status, answer.json["code"]) == (503, "PEER_GONE")
        lonely.evidence.start()
        assert visitor.get(NODE).status == 200


@contextlib.contextmanager
def raw_connection(pole):
    with socket.create_connection(
        ("127.0.0.1", pole.port), 10.0, source_address=(own_address(), 0)
    ) as connection:
        yield connection


def strangers_on_record(pole):
    records = [one["body"] for one in pole.records("access_refused")]
    return {one["reason"] for one in records if one["action"] == "enter"}
