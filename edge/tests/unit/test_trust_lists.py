"""Trust lists: only the city's own, whole, never an older one; and what a stale one is."""

import subprocess

import msgspec
import pytest

from roeh.access.judging import judge_person, time_of
from roeh.access.trust_list import Staleness, TrustedAuthority, newer, read_trust_list, staleness
from roeh.core.errors import AccessRefused, KeyRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.certificates import authority_name, certificate_pem, new_private_key
from roeh.keys.cms import sign_attached
from roeh.keys.person_certificates import (
    TRUST_LIST_USAGE,
    AuthorityClass,
    person_authority,
    trust_list_certificate,
)
from roeh.ledger.canonical import canonical_struct
from tests.apt import require_packages
from tests.authorities import day_us, days, revoked
from tests.people import ISSUED_ON_DAY, KeyHolder, PeopledCity, clock_on_day

NOW = clock_on_day(301).read()
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


def refusal_of(city, signed, at=None):
    with pytest.raises(AccessRefused) as refusal:
        read_trust_list(signed, city.root_pem, at or time_of(NOW))
    assert "\n" not in refusal.value.line()
    return refusal.value.what


def malformed(city, **said):
    return refusal_of(city, city.trust_list(**said)) == "trust_list_malformed"


def test_a_list_says_whom_the_city_believes(city):
    signed = city.trust_list(version=7)

    held = read_trust_list(signed, city.root_pem, time_of(NOW))

    assert (held.trust_list.version, held.signed) == (7, signed)
    assert [one.authority_class for one in held.authorities] == [
        AuthorityClass.DEVICE,
        AuthorityClass.POLICE,
        AuthorityClass.STAFF,
    ]
    assert held.authorities[1].certificate == city.police_ca.certificate
    assert len(held.revocations.lists) == 4
    assert held.signer == city.trust_signer.certificate


@pytest.mark.apt("openssl")
def test_openssl_verifies_a_list_under_the_root(city, tmp_path):
    require_packages("openssl")
    (tmp_path / "root.pem").write_bytes(city.root_pem)
    content = city.trust_list_content()
    (tmp_path / "list.p7m").write_bytes(city.sign_trust_list(content))
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "list.p7m",
         "-CAfile", "root.pem", "-purpose", "any"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == canonical_struct(content)


def test_another_city_s_list_is_refused_though_the_names_are_the_same(city):
    assert refusal_of(city, PeopledCity().trust_list()) == "trust_list_signer"


def test_only_a_signer_directly_under_the_root_signs(city):
    content = city.trust_list_content()
    key = new_private_key()
    below_node_ca = trust_list_certificate(
        authority_name("Trust lists"), key.public_key(), city.node_ca, days(0, 3650)
    )
    ca = certificate_pem(city.node_ca.certificate)
    holder = KeyHolder(below_node_ca, key, certificate_pem(below_node_ca) + ca)
    officer = city.person(PersonRole.APPROVER)
    police = KeyHolder(
        city.police_ca.certificate,
        city.police_ca.private_key,
        certificate_pem(city.police_ca.certificate, city.root.certificate),
    )

    for signer in (holder, officer, police):
        assert refusal_of(city, city.sign_trust_list(content, signer)) == "trust_list_signer"


def test_a_signer_that_had_ended_when_the_list_was_issued_is_refused(city):
    key = new_private_key()
    ended = trust_list_certificate(
        authority_name("Old"), key.public_key(), city.root, days(0, ISSUED_ON_DAY - 10)
    )
    holder = KeyHolder(ended, key, certificate_pem(ended, city.root.certificate))

    signed = city.sign_trust_list(city.trust_list_content(), holder)

    assert refusal_of(city, signed) == "trust_list_signer"


def test_a_list_of_tomorrow_is_refused_but_for_the_clock_s_bound(city):
    tomorrow = city.trust_list(issued_us=day_us(302))

    assert refusal_of(city, tomorrow) == "trust_list_from_the_future"
    unsure = clock_on_day(301, error_us=DAY_US).read()
    assert read_trust_list(tomorrow, city.root_pem, time_of(unsure))
    assert read_trust_list(tomorrow, city.root_pem, None)


def test_a_revoked_signer_or_ca_makes_the_list_worthless(city):
    for certificate in (city.trust_signer.certificate, city.police_ca.certificate):
        entry = revoked(certificate, on_day=3000)
        assert refusal_of(city, city.trust_list(revoked=[entry])) == "revoked"


def test_every_ca_for_persons_has_its_revocation_list_inside(city):
    ours = [city.revocation_list(ca) for ca in (city.police_ca, city.staff_ca)]

    assert city.held_trust(revocation_lists=ours)
    for missing in (ours[:1], ours[1:]):
        signed = city.trust_list(revocation_lists=missing)
        assert refusal_of(city, signed) == "revocation_unknown"


def test_a_crafted_list_is_refused(city):
    police, staff = city.police_ca, city.staff_ca
    stranger = PeopledCity("Another")
    twin = person_authority(
        police.certificate.subject,
        new_private_key(),
        city.root,
        days(0, 3650),
        AuthorityClass.POLICE,
    )
    same_key = person_authority(
        authority_name("Twin"), police.private_key, city.root, days(0, 3650), AuthorityClass.POLICE
    )
    crls = [city.revocation_list(ca) for ca in (police, staff)]
    forged = stranger.police_ca
    forged = type(forged)(police.certificate, forged.private_key)

    def with_authorities(*classes):
        return malformed(city, authorities=classes, revocation_lists=crls)

    assert with_authorities((AuthorityClass.POLICE, police), (AuthorityClass.STAFF, police))
    assert with_authorities((AuthorityClass.POLICE, police), (AuthorityClass.POLICE, police))
    assert with_authorities((AuthorityClass.POLICE, police), (AuthorityClass.POLICE, twin))
    assert with_authorities((AuthorityClass.POLICE, police), (AuthorityClass.POLICE, same_key))
    assert with_authorities((AuthorityClass.STAFF, police))
    assert with_authorities((AuthorityClass.POLICE, city.node_ca))
    assert with_authorities((AuthorityClass.DEVICE, police))
    assert with_authorities((AuthorityClass.POLICE, stranger.police_ca))
    assert with_authorities((AuthorityClass.DEVICE, city.root))
    assert with_authorities()
    assert with_authorities(*[(AuthorityClass.POLICE, police)] * 17)
    # A revocation list of no CA of the list, in its name, twice, or two in one.
    foreign = stranger.revocation_list(stranger.police_ca)
    assert malformed(city, revocation_lists=[*crls, foreign])
    assert malformed(city, revocation_lists=[city.revocation_list(forged), crls[1]])
    assert malformed(city, revocation_lists=[*crls, crls[0]])
    assert malformed(city, revocation_lists=[crls[0] + crls[1]])
    assert malformed(city, revocation_lists=[*crls, "-----BEGIN X509 CRL-----\nAAAA\n"])
    broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    assert malformed(city, revocation_lists=[*crls, broken])
    assert malformed(city, version=0)
    assert malformed(city, issued_us=-1)


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "leaf",
        "two",
        "x" * 9000,
    ],
)
def test_a_ca_s_certificate_has_to_be_one(city, pem):
    ca = certificate_pem(city.police_ca.certificate).decode()
    leaf = certificate_pem(city.trust_signer.certificate).decode()
    content = city.trust_list_content()
    odd = TrustedAuthority(AuthorityClass.POLICE, {"leaf": leaf, "two": ca + ca}.get(pem, pem))

    signed = city.sign_trust_list(msgspec.structs.replace(content, authorities=(odd,)))

    assert refusal_of(city, signed) == "trust_list_malformed"


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text.replace(b'"version":1', b'"version":1,"version":2'),
        lambda text: text.replace(b'"version":1', b'"version": 1'),
        lambda text: text.replace(b'"version":1', b'"version":1.0'),
        lambda text: text.replace(b'{"authorities"', b'{"admin":true,"authorities"'),
        lambda text: text.replace(b"trust-list/1", b"trust-list/2"),
        lambda text: b"[" * 100_000,
        lambda text: b"",
        lambda text: b"\xff" + text,
    ],
)
def test_only_the_one_way_to_write_a_list_is_read(city, changed):
    content = changed(canonical_struct(city.trust_list_content()))
    signer = city.trust_signer
    signed = sign_attached(
        content, chain_pem=signer.chain_pem, sign=signer.sign, t_utc_us=day_us(300)
    )
    assert refusal_of(city, signed) == "trust_list_malformed"


def test_garbage_and_a_flipped_byte_are_refused(city):
    content = city.trust_list_content()
    signed = city.sign_trust_list(content)
    assert refusal_of(city, b"") == "trust_list_malformed"
    for place in range(0, len(signed), 41):
        flipped = bytearray(signed)
        flipped[place] ^= 0x55
        try:
            read = read_trust_list(bytes(flipped), city.root_pem, time_of(NOW))
        except AccessRefused:
            continue
        # Only in the root that came along, which nobody asks: the reader has their own.
        assert read.trust_list == content


def test_the_root_has_to_be_one_ca(city):
    for root_pem in (b"", city.root_pem * 2, certificate_pem(city.trust_signer.certificate)):
        with pytest.raises(KeyRefused):
            read_trust_list(city.trust_list(), root_pem, None)


def test_a_newer_version_takes_the_place_of_an_older_one_and_never_the_other_way(city):
    first, second = (
        read_trust_list(city.trust_list(version=n), city.root_pem, None) for n in (1, 2)
    )

    assert newer(None, first)
    assert newer(first, second)
    assert not newer(second, second)
    with pytest.raises(AccessRefused, match=r"^older_trust_list: "):
        newer(second, first)


def test_one_version_says_one_thing(city):
    content = city.trust_list_content()
    once, twice = (
        read_trust_list(city.sign_trust_list(content), city.root_pem, None) for _ in range(2)
    )
    another = city.held_trust(issued_us=day_us(ISSUED_ON_DAY) + 1)

    assert once.signed != twice.signed
    assert not newer(once, twice)
    with pytest.raises(AccessRefused, match=r"^another_trust_list: "):
        newer(once, another)


def test_a_newer_list_with_an_older_revocation_list_lets_nobody_back_in(city):
    held = city.held_trust(version=1, list_number=5)

    assert newer(held, city.held_trust(version=2, list_number=5))
    with pytest.raises(AccessRefused, match=r"^older_revocation_list: "):
        newer(held, city.held_trust(version=2, list_number=4))
    crls = [city.revocation_list(ca, number=5) for ca in (city.police_ca, city.staff_ca)]
    with pytest.raises(AccessRefused, match=r"^older_revocation_list: "):
        newer(held, city.held_trust(version=2, revocation_lists=crls))


def test_a_ca_may_leave_the_list_with_its_revocation_list(city):
    root_and_staff = [
        city.revocation_list(ca, number=5) for ca in (city.root, city.node_ca, city.staff_ca)
    ]
    without_police = city.held_trust(
        version=2,
        authorities=[(AuthorityClass.DEVICE, city.node_ca), (AuthorityClass.STAFF, city.staff_ca)],
        revocation_lists=root_and_staff,
    )

    assert newer(city.held_trust(version=1, list_number=5), without_police)


def test_a_signer_that_the_held_list_revokes_signs_no_newer_one(city):
    stolen = city.trust_signer
    entry = revoked(stolen.certificate, on_day=301)
    held = read_trust_list(
        city.sign_trust_list(
            city.trust_list_content(version=2, revoked=[entry], list_number=2),
            city.new_trust_signer(),
        ),
        city.root_pem,
        None,
    )
    crls = [city.revocation_list(ca, number=9) for ca in (city.police_ca, city.staff_ca)]
    thief_s = city.held_trust(version=3, revocation_lists=crls)

    with pytest.raises(AccessRefused, match=r"^revoked: "):
        newer(held, thief_s)


def test_a_thief_s_high_version_gives_way_to_one_by_which_the_root_dismisses_the_signer(city):
    held = city.held_trust(version=2**53 - 1)
    entry = revoked(city.trust_signer.certificate, on_day=301)

    def by_a_new_signer(**said):
        content = city.trust_list_content(**{"version": 8, "list_number": 2} | said)
        signed = city.sign_trust_list(content, city.new_trust_signer())
        return read_trust_list(signed, city.root_pem, None)

    rescue = by_a_new_signer(revoked=[entry])
    assert newer(held, rescue)
    # And never back: not the thief's, and not another's without that revocation.
    with pytest.raises(AccessRefused, match=r"^revoked: |^older_revocation_list: "):
        newer(rescue, city.held_trust(version=2**53 - 1))
    with pytest.raises(AccessRefused, match=r"^older_trust_list: "):
        newer(held, by_a_new_signer())
    with pytest.raises(AccessRefused, match=r"^older_revocation_list: "):
        newer(city.held_trust(version=2**53 - 1, list_number=3), by_a_new_signer(revoked=[entry]))


def test_a_list_grows_stale_by_the_clock_with_its_bound(city):
    trust = city.held_trust()

    def judged(days_later, *, error_us=0, synchronised=True, allow=False):
        now = clock_on_day(
            ISSUED_ON_DAY + days_later, error_us=error_us, synchronised=synchronised
        ).read()
        return staleness(trust, now, 30 * DAY_US, allow)

    assert judged(30) == Staleness(age_us=30 * DAY_US, is_stale=False)
    assert judged(31).is_stale
    assert judged(30, error_us=1).is_stale
    assert judged(-1) == Staleness(age_us=None, is_stale=True)
    assert judged(-1, error_us=DAY_US) == Staleness(age_us=0, is_stale=False)
    assert judged(1, synchronised=False) == Staleness(age_us=None, is_stale=True)
    assert not judged(1, synchronised=False, allow=True).is_stale
    assert judged(31, synchronised=False, allow=True).is_stale
    assert staleness(None, NOW, 30 * DAY_US, True).is_stale


def test_a_list_of_many_dismissed_is_read(city):
    officers = [city.person(PersonRole.APPROVER, str(n)).certificate for n in range(200)]
    entries = [revoked(one, on_day=100) for one in officers]

    held = city.held_trust(revoked=entries)

    listed = [item for item in held.revocations.lists if item.issuer == officers[0].issuer]
    assert len(list(listed[0])) == 200


def test_the_usage_of_a_signer_is_of_no_person_or_pole(city):
    assert TRUST_LIST_USAGE.endswith(".20")
    holder = city.trust_signer
    with pytest.raises(AccessRefused, match=r"^no_role: "):
        judge_person(holder.certificate_der, city.held_trust(), NOW)
