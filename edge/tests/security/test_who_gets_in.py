"""The broker takes in who has a certificate for that door, and nobody else."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from roeh.keys.certificates import (
    Validity,
    authority_name,
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_subject,
)
from roeh.keys.home_file import pkcs8_pem, unprovisioned_set
from roeh.keys.instants import instant
from roeh.keys.signer import KeyUsage, NodeName
from tests.process.secured_broker import CLOCK, SITE, City
from tests.security.intruder import NO_SUBSCRIBERS, NOT_AUTHORISED, Intruder, Refused

pytestmark = pytest.mark.apt("mosquitto")
ALERT = f"roeh/v1/{SITE}/pole-7/up/alert"
DAY = datetime.timedelta(days=1)


def test_a_pole_and_a_desk_with_certificates_of_their_own_are_taken_in(ground):
    with ground.pole("pole-7") as pole, ground.service("desk") as desk:
        assert desk.subscribe(ALERT) == [1]

        assert pole.publish(ALERT, b"{}") == 0

        assert desk.hear() == (ALERT, b"{}")


def nothing(city):
    return None


def of_a_foreign_city(city):
    """Same names, other keys."""
    directory = city.directory / "foreign"
    if not directory.exists():
        directory.mkdir()
        City(directory)
    return City(directory).node("pole-7")


def expired(city):
    now = instant(CLOCK.read().t_utc_ns // 1000)
    return city.node("pole-7", validity=Validity(now - 9 * DAY, now - DAY), file="expired")


def not_yet_valid(city):
    now = instant(CLOCK.read().t_utc_ns // 1000)
    return city.node("pole-7", validity=Validity(now + DAY, now + 9 * DAY), file="early")


def for_media(city):
    return city.node("pole-7", usage=KeyUsage.MEDIA)


def for_the_log(city):
    return city.node("pole-7", usage=KeyUsage.LOG)


def for_manifests(city):
    return city.node("pole-7", usage=KeyUsage.MANIFEST)


def made_by_the_node_itself(city):
    path = city.directory / "unprovisioned.pem"
    path.write_bytes(unprovisioned_set(NodeName(SITE, "pole-7"))["tls.pem"])
    return path


def signed_by_itself(city):
    key = new_private_key()
    builder = x509.CertificateBuilder().subject_name(authority_name("pole-7"))
    builder = builder.issuer_name(authority_name("pole-7")).public_key(key.public_key())
    now = instant(CLOCK.read().t_utc_ns // 1000)
    builder = builder.serial_number(1).not_valid_before(now - DAY).not_valid_after(now + DAY)
    path = city.directory / "self.pem"
    path.write_bytes(pkcs8_pem(key) + certificate_pem(builder.sign(key, hashes.SHA256())))
    return path


def of_a_service(city):
    """Another door's."""
    return city.service("desk", "haifa")


def of_the_broker(city):
    return city.service("broker", "haifa", hosts=("localhost", "127.0.0.1"))


def with_another_s_key(city):
    """A pole's certificates before a key of one's own."""
    own = pkcs8_pem(new_private_key())
    theirs = city.node("pole-7").read_bytes()
    path = city.directory / "stolen.pem"
    path.write_bytes(own + b"-----BEGIN CERT" + theirs.split(b"-----BEGIN CERT", 1)[1])
    return path


@pytest.mark.parametrize(
    "shown",
    [
        nothing,
        of_a_foreign_city,
        expired,
        not_yet_valid,
        for_media,
        for_the_log,
        for_manifests,
        made_by_the_node_itself,
        signed_by_itself,
        of_a_service,
        of_the_broker,
    ],
)
def test_the_poles_door_is_closed_to(ground, shown):
    with pytest.raises(Refused):
        ground.come(shown(ground.city))


@pytest.mark.parametrize("shown", [nothing, of_a_foreign_city, expired, of_the_broker])
def test_the_services_door_is_closed_to(ground, shown):
    with pytest.raises(Refused):
        ground.come(shown(ground.city), port=ground.broker.services_port)


def test_the_services_door_is_closed_to_a_pole(ground):
    with pytest.raises(Refused):
        ground.pole("pole-7", port=ground.broker.services_port)


def test_a_certificate_without_its_key_is_of_no_use(ground):
    with pytest.raises(ssl.SSLError):
        ground.come(with_another_s_key(ground.city))


def named_like_the_desk(city):
    """What the thief of the node CA's key could make: a pole called desk:haifa."""
    key = new_private_key()
    leaf = leaf_certificate(
        node_subject(NodeName(SITE, "desk:haifa"), "tls"),
        key.public_key(),
        KeyUsage.TLS,
        city.nodes.authority,
        city.nodes.validity(1, CLOCK),
    )
    path = city.directory / "minted.pem"
    path.write_bytes(pkcs8_pem(key) + certificate_pem(leaf, city.nodes.certificate))
    return path


def test_a_node_ca_cannot_make_a_desk(ground):
    file = named_like_the_desk(ground.city)
    with pytest.raises(Refused):
        ground.come(file, port=ground.broker.services_port)

    with ground.come(file) as false_desk, ground.pole("pole-7") as pole:
        assert false_desk.publish(f"roeh/v1/{SITE}/pole-7/down/cmd") == NOT_AUTHORISED
        assert false_desk.publish(f"roeh/v1/{SITE}/pole-7/down/ack") == NOT_AUTHORISED
        false_desk.subscribe("roeh/v1/+/+/up/alert")
        assert pole.publish(ALERT) == NO_SUBSCRIBERS or false_desk.heard.empty()


@pytest.mark.parametrize("door", ["poles_port", "services_port"])
def test_tls_below_1_3_is_refused(ground, door):
    file = ground.city.node("pole-7") if door == "poles_port" else of_a_service(ground.city)
    port = getattr(ground.broker, door)
    with pytest.raises(Refused, match="PROTOCOL_VERSION"):
        ground.come(file, port=port, newest=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("door", ["poles_port", "services_port"])
def test_without_tls_there_is_no_word(ground, door):
    with pytest.raises(Refused):
        Intruder(getattr(ground.broker, door), None)


def test_a_client_does_not_believe_a_pole_to_be_the_broker(ground, tmp_path):
    """broker-ca.pem is the service CA alone: not the root, under which the poles stand too."""
    context = ssl.create_default_context(cafile=str(ground.city.broker_ca))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(ground.city.node("localhost")))
    assert "verify failed" in str(handshake_error(server, context, "localhost"))


def handshake_error(server, client, name):
    """How the client ends a handshake in memory; None when it believes the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error
    return None
