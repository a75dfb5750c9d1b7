"""Whom a pole believes: each way in which a certificate is not enough has its word."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from roeh.access.judging import judge_person, judge_person_at
from roeh.access.people import is_same_person, person_of
from roeh.core.errors import AccessRefused, KeyRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.certificates import (
    Validity,
    authority_name,
    authority_under,
    leaf_for,
    new_private_key,
)
from roeh.keys.chain import SigningTime
from roeh.keys.person_certificates import (
    CLIENT_AUTH,
    ROLE_USAGES,
    AuthorityClass,
    is_person_number,
    person_name,
)
from roeh.keys.revocation import revocation_lists
from roeh.keys.signer import KeyUsage
from tests.authorities import NODE, day, day_us, days, revoked
from tests.people import PeopledCity, clock_on_day

NOW = clock_on_day(301).read()
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


@pytest.fixture(scope="module")
def trust(city):
    return city.held_trust()


def word_of(certificate_der, trust, now=NOW):
    """The first word of the refusal."""
    with pytest.raises(AccessRefused) as refusal:
        judge_person(certificate_der, trust, now)
    assert str(refusal.value).startswith(refusal.value.what + ": ")
    return refusal.value.what


def usages(*dotted):
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in dotted])


def subject(*parts):
    # Any text goes into a UTF8String, also where X.520 wants another kind.
    kind = _ASN1Type.UTF8String
    return x509.Name([x509.NameAttribute(oid, text, _type=kind) for oid, text in parts])


def someone(city, *, name=None, stated=None, key=None, issuer=None):
    """A certificate of the police CA that is off in one way, DER."""
    made = leaf_for(
        name
        or subject(
            (NameOID.ORGANIZATION_NAME, "Police"),
            (NameOID.COMMON_NAME, "Somebody"),
            (NameOID.SERIAL_NUMBER, "100"),
        ),
        (key or new_private_key()).public_key(),
        stated or usages(CLIENT_AUTH, ROLE_USAGES[PersonRole.APPROVER]),
        issuer or city.police_ca,
        days(0, 3650),
    )
    return made.public_bytes(Encoding.DER)


@pytest.mark.parametrize("role", PersonRole)
def test_a_person_of_every_role_is_believed(city, trust, role):
    holder = city.person(role, "4711/7", name="דנה כהן", organisation="משטרה")

    person = judge_person(holder.certificate_der, trust, NOW)

    assert (person.number, person.name, person.organisation) == ("4711/7", "דנה כהן", "משטרה")
    assert person.role is role
    assert person == person_of(holder.certificate_der)


@pytest.mark.parametrize("role", PersonRole)
def test_no_ca_makes_a_role_of_another_class(city, trust, role):
    own = city.person(role).certificate.issuer
    others = [
        ca for ca in (city.police_ca, city.staff_ca, city.node_ca) if ca.certificate.subject != own
    ]

    assert len(others) == 2
    for issuer in others:
        holder = city.person(role, issuer=issuer)
        assert word_of(holder.certificate_der, trust) == "role_not_of_this_authority"


def test_a_ca_named_for_more_than_its_own_usages_makes_no_more(city):
    """The list's signer alone cannot make the staff CA one for police."""
    lists = [city.revocation_list(ca) for ca in (city.police_ca, city.staff_ca)]
    with pytest.raises(AccessRefused, match="no CA for police"):
        city.held_trust(
            authorities=[(AuthorityClass.POLICE, city.staff_ca)], revocation_lists=lists
        )


def test_a_certificate_of_another_city_is_of_an_unknown_authority(trust):
    stranger = PeopledCity("City").person(PersonRole.INVESTIGATOR)
    assert word_of(stranger.certificate_der, trust) == "unknown_authority"


def test_one_of_a_ca_under_the_root_that_the_list_does_not_name_is_unknown(city, trust):
    another = city.person_ca(AuthorityClass.POLICE, "Another police CA")
    holder = city.person(PersonRole.INVESTIGATOR, issuer=another)
    assert word_of(holder.certificate_der, trust) == "unknown_authority"


def test_without_a_list_nobody_is_believed(city):
    holder = city.person(PersonRole.TECHNICIAN)
    assert word_of(holder.certificate_der, None) == "no_trust_list"


def test_a_certificate_counts_between_its_days_with_the_clock_s_bound(city, trust):
    holder = city.person(PersonRole.OPERATOR, validity=days(100, 200))

    def judged(number, shift_us, error_us):
        t_us = day_us(number) + shift_us
        now = clock_on_day(0, error_us=error_us)
        now.step_utc((t_us - day_us(0)) / 1e6)
        return judge_person(holder.certificate_der, trust, now.read())

    assert judged(150, 0, 0)
    assert judged(100, -HOUR_US, HOUR_US)
    assert judged(200, HOUR_US, HOUR_US)
    with pytest.raises(AccessRefused, match=r"^not_yet_valid: "):
        judged(100, -2 * HOUR_US, HOUR_US)
    with pytest.raises(AccessRefused, match=r"^expired: "):
        judged(200, 2 * HOUR_US, HOUR_US)


def test_who_was_revoked_is_not_believed_whenever_the_list_says_it_was(city):
    holder = city.person(PersonRole.APPROVER)
    for number in (10, 3000):
        trust = city.held_trust(revoked=[revoked(holder.certificate, on_day=number)])
        assert word_of(holder.certificate_der, trust) == "revoked"


def test_another_person_s_revocation_touches_nobody_else(city):
    dismissed, kept = city.person(PersonRole.APPROVER), city.person(PersonRole.APPROVER)
    trust = city.held_trust(revoked=[revoked(dismissed.certificate, on_day=10)])

    assert judge_person(kept.certificate_der, trust, NOW)


@pytest.mark.parametrize(
    ("stated", "word"),
    [
        ((CLIENT_AUTH,), "no_role"),
        ((ROLE_USAGES[PersonRole.APPROVER],), "no_role"),
        (
            (
                CLIENT_AUTH,
                ROLE_USAGES[PersonRole.APPROVER],
                ROLE_USAGES[PersonRole.INVESTIGATOR],
            ),
            "no_role",
        ),
        ((CLIENT_AUTH, f"{ROLE_USAGES[PersonRole.APPROVER]}.1"), "no_role"),
    ],
)
def test_exactly_one_role_is_wanted(city, trust, stated, word):
    assert word_of(someone(city, stated=usages(*stated)), trust) == word


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([], "no_number"),
        ([(NameOID.SERIAL_NUMBER, "1"), (NameOID.SERIAL_NUMBER, "2")], "no_number"),
        ([(NameOID.SERIAL_NUMBER, " 100")], "no_number"),
        ([(NameOID.SERIAL_NUMBER, "100 ")], "no_number"),
        ([(NameOID.SERIAL_NUMBER, "１００")], "no_number"),  # noqa: RUF001 - full-width digits
        ([(NameOID.SERIAL_NUMBER, "1\u200b00")], "no_number"),
        ([(NameOID.SERIAL_NUMBER, "1\n00")], "no_number"),
        ([(NameOID.SERIAL_NUMBER, "100"), (NameOID.COMMON_NAME, "Second")], "no_name"),
    ],
)
def test_a_person_has_one_number_that_nothing_looks_like(city, trust, parts, word):
    named = subject(
        (NameOID.ORGANIZATION_NAME, "Police"), (NameOID.COMMON_NAME, "Somebody"), *parts
    )
    assert word_of(someone(city, name=named), trust) == word


@pytest.mark.parametrize("name", ["a\u202eb", "a\u2066b", " a", "\x1b[2Ja"])
def test_a_name_shows_what_it_is(city, trust, name):
    named = subject(
        (NameOID.ORGANIZATION_NAME, "Police"),
        (NameOID.COMMON_NAME, name),
        (NameOID.SERIAL_NUMBER, "100"),
    )
    assert word_of(someone(city, name=named), trust) == "no_name"
    with pytest.raises(KeyRefused):
        person_name("100", name, "Police")


def test_numbers_that_differ_in_case_are_one_person_s():
    assert is_same_person("ab-1", "AB-1")
    assert not is_same_person("ab-1", "ab-2")
    assert is_person_number("A" * 64)
    assert not any(map(is_person_number, ("", "A" * 65, "a b", "1\n", "ä", "1,2", "1_2", "\u0663")))


def test_ca_s_keys_poles_and_other_curves_are_no_persons(city, trust):
    ca = city.police_ca.certificate.public_bytes(Encoding.DER)
    assert word_of(ca, trust) == "not_a_person"
    assert word_of(city.pole_key(KeyUsage.TLS, name=NODE).certificate_der, trust) == "no_role"
    other_curve = ec.generate_private_key(ec.SECP384R1())
    assert word_of(someone(city, key=other_curve), trust) == "not_a_person"


def test_a_leaf_below_a_person_is_not_believed(city, trust):
    """A person's own key makes nobody, though the certificate's names fit."""
    officer = city.person(PersonRole.APPROVER)

    class Issuer:
        certificate = officer.certificate
        private_key = officer.key

    made = (
        x509.CertificateBuilder()
        .issuer_name(officer.certificate.subject)
        .subject_name(officer.certificate.subject)
        .public_key(new_private_key().public_key())
        .serial_number(7)
        .not_valid_before(day(0))
        .not_valid_after(day(1000))
        .add_extension(usages(CLIENT_AUTH, ROLE_USAGES[PersonRole.APPROVER]), critical=False)
        .sign(officer.key, officer.certificate.signature_hash_algorithm)
    )
    assert word_of(made.public_bytes(Encoding.DER), trust) == "unknown_authority"


def test_what_a_certificate_demands_and_nobody_understands_is_refused(city, trust):
    officer = city.person(PersonRole.APPROVER)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(city.police_ca.certificate.subject)
        .subject_name(officer.certificate.subject)
        .public_key(officer.key.public_key())
        .serial_number(7)
        .not_valid_before(day(0))
        .not_valid_after(day(1000))
    )
    for extension in officer.certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    demanding = builder.add_extension(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical=True
    ).sign(city.police_ca.private_key, officer.certificate.signature_hash_algorithm)

    assert word_of(demanding.public_bytes(Encoding.DER), trust) == "malformed"


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_no_flipped_byte_makes_somebody_else(city, trust, mask):
    genuine = city.person(PersonRole.INVESTIGATOR).certificate_der
    for place in range(len(genuine)):
        flipped = bytearray(genuine)
        flipped[place] ^= mask
        with pytest.raises(AccessRefused):
            judge_person(bytes(flipped), trust, NOW)


def test_no_certificate_has_a_second_form_that_others_read_over(city, trust):
    """The count of unused bits before the signature is not signed itself."""
    officers = (city.person(PersonRole.APPROVER) for _ in range(100))
    der = next(one.certificate_der for one in officers if not one.certificate.signature[-1] & 1)
    size = len(x509.load_der_x509_certificate(der).signature)
    second_form = bytearray(der)
    second_form[-size - 1] = 1

    assert x509.load_der_x509_certificate(bytes(second_form)).signature == der[-size:]
    assert judge_person(der, trust, NOW)
    assert word_of(bytes(second_form), trust) == "malformed"


@pytest.mark.parametrize("garbage", [b"", b"\x30\x00", bytes(17000), b"\x30\x82\xff\xff"])
def test_garbage_is_malformed(trust, garbage):
    assert word_of(garbage, trust) == "malformed"


def test_a_ca_that_has_ended_makes_nobody(city):
    ended = authority_under(
        authority_name("Old police CA"),
        new_private_key(),
        city.root,
        Validity(day(0), day(200)),
        usages(CLIENT_AUTH, ROLE_USAGES[PersonRole.INVESTIGATOR], ROLE_USAGES[PersonRole.APPROVER]),
    )
    trust = city.held_trust(
        authorities=[(AuthorityClass.POLICE, ended)],
        revocation_lists=[city.revocation_list(ended)],
    )
    holder = city.person(PersonRole.APPROVER, issuer=ended)

    assert judge_person(holder.certificate_der, trust, clock_on_day(150).read())
    assert word_of(holder.certificate_der, trust) == "expired"


def test_afterwards_who_was_revoked_later_is_believed_and_it_is_told(city):
    holder = city.person(PersonRole.APPROVER)
    trust = city.held_trust()
    lists = city.revocation_list(city.police_ca, revoked(holder.certificate, on_day=310))
    later = revocation_lists(lists.encode())

    def judged(number, also=later):
        return judge_person_at(
            holder.certificate_der, trust, SigningTime(day_us(number), HOUR_US), also
        )

    assert judged(305).revoked_later_utc_us == day_us(310)
    assert "serial" in judged(305).revoked
    assert judged(305, None).revoked_later_utc_us is None
    with pytest.raises(AccessRefused, match=r"^revoked: "):
        judged(310)
    with pytest.raises(AccessRefused, match=r"^revoked: "):
        judge_person_at(
            holder.certificate_der, trust, SigningTime(day_us(310) - HOUR_US, HOUR_US), later
        )
    compromised = city.revocation_list(
        city.police_ca, revoked(holder.certificate, on_day=310, compromised_on_day=300)
    )
    with pytest.raises(AccessRefused, match=r"^revoked: "):
        judged(305, revocation_lists(compromised.encode()))
