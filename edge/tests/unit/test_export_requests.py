"""A request is meant as it is written, and only another person's word for it counts."""

import hashlib
import subprocess

import msgspec
import pytest

from roeh.access.requests import (
    MAX_APPROVAL_US,
    check_requester,
    judge_approval,
    judge_approval_at,
    make_approval,
    read_approval,
    read_request,
    read_signed_request,
    request_bytes,
    request_sha256,
)
from roeh.core.clock import SimulatedClock
from roeh.core.errors import AccessRefused, KeyRefused
from roeh.core.retrieval import MAX_SPAN_US, Approval, PersonRole, Region
from roeh.keys.chain import SigningTime
from roeh.keys.cms import sign_attached
from roeh.keys.revocation import revocation_lists
from roeh.keys.signer import KeyUsage
from roeh.ledger.canonical import canonical_struct
from tests.apt import require_packages
from tests.authorities import NODE, day_us, days, revoked
from tests.people import SOMEBODYS_AGE_KEY, PeopledCity, an_export_request, clock_on_day

NOW = clock_on_day(301).read()
DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


@pytest.fixture(scope="module")
def trust(city):
    return city.held_trust()


@pytest.fixture(scope="module")
def investigator(city):
    return city.person(PersonRole.INVESTIGATOR, "100")


@pytest.fixture(scope="module")
def approver(city):
    return city.person(PersonRole.APPROVER, "200")


def refusal(content):
    with pytest.raises(AccessRefused) as refused:
        read_request(content)
    assert refused.value.what == "request_malformed"
    assert "\n" not in refused.value.line()
    return str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"reason": "תקיפה בכיכר", "case_number": "פל״א 77/26"},
        {"kind": "redacted", "regions": (Region("north", 0, 0, 64, 64),)},
        {"kind": "redacted"},
        {"to_utc_us": day_us(300) + MAX_SPAN_US},
        {"cameras": ("north", "south")},
    ],
)
def test_a_request_is_read_as_it_was_written(changed):
    request = an_export_request(**changed)
    content = request_bytes(request)

    assert read_request(content) == request
    assert request_sha256(request) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        {"to_utc_us": day_us(300)},
        {"to_utc_us": day_us(299)},
        {"to_utc_us": day_us(300) + MAX_SPAN_US + 1},
        {"from_utc_us": -1},
        {"cameras": ()},
        {"cameras": ("north", "north")},
        {"cameras": ("../north",)},
        {"recipients": ()},
        {"recipients": (SOMEBODYS_AGE_KEY, SOMEBODYS_AGE_KEY)},
        {"recipients": (SOMEBODYS_AGE_KEY[:-1] + "q",)},
        {"recipients": (SOMEBODYS_AGE_KEY.upper(),)},
        {"regions": (Region("north", 0, 0, 9, 9),)},
        {"kind": "redacted", "regions": (Region("south", 0, 0, 9, 9),)},
        {"kind": "redacted", "regions": (Region("north", 9, 0, 9, 9),)},
        {"kind": "redacted", "regions": (Region("north", 0, 10, 9, 9),)},
        {"kind": "redacted", "regions": (Region("north", 0, 0, 9, 9),) * 65},
        {"kind": "everything"},
        {"requester_number": " 100"},
        {"requester_number": "１００"},  # noqa: RUF001 - full-width digits
        {"requester_number": ""},
        {"case_number": ""},
        {"case_number": "1\n2"},
        {"case_number": "x" * 65},
        {"reason": "a\u202ebc"},
        {"legal_basis": "a\u2028b"},
        {"id": "../../etc"},
        {"site": "Haifa"},
        {"schema": "roeh/export-request/2"},
    ],
)
def test_a_request_that_cannot_be_meant_is_neither_written_nor_read(changed):
    request = an_export_request(**changed)

    refusal(canonical_struct(request))
    with pytest.raises(AccessRefused, match=r"^request_malformed: "):
        request_bytes(request)


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: b" " + text,
        lambda text: text + b"\n",
        lambda text: text.replace(b'{"cameras"', b'{"all":true,"cameras"'),
        lambda text: text.replace(b'{"cameras"', b'{"cameras":["south"],"cameras"'),
        lambda text: text.replace(b'"kind":"full",', b""),
        lambda text: text.replace(b"Assault", rb"\u0041ssault"),
        lambda text: text.replace(b"Assault", b"\xff"),
        lambda text: b"{}",
        lambda text: b"null",
        lambda text: b"",
        lambda text: b"[" * 200_000,
    ],
)
def test_another_way_to_write_it_is_refused(changed):
    content = request_bytes(an_export_request())
    assert changed(content) != content
    refusal(changed(content))


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(AccessRefused, match=r"^request_malformed: "):
        request_bytes(an_export_request(reason="\ud800"))


def test_a_signed_request_tells_who_signed_it(investigator):
    request = an_export_request("100")

    read = read_signed_request(investigator.sign_request(request))

    assert (read.request, read.content) == (request, request_bytes(request))
    assert read.signer_der == investigator.certificate_der
    check_requester(read.request, investigator.person)


def test_nobody_asks_in_another_s_name(investigator, approver):
    request = an_export_request("100")

    check_requester(an_export_request("100"), investigator.person)
    with pytest.raises(AccessRefused, match=r"^another_signer: "):
        check_requester(request, approver.person)


class Judge:
    """A pole that holds one request and is shown approvals."""

    def __init__(self, trust, requester, request=None, now=NOW):
        self.trust, self.requester, self.now = trust, requester, now
        self.request = request or an_export_request(requester.number)

    def judge(self, signed, **changed):
        said = {
            "request": request_bytes(self.request),
            "requester": self.requester,
            "site": NODE.site,
            "node": NODE.node,
            "trust": self.trust,
            "now": self.now,
        }
        return judge_approval(signed, **(said | changed))

    def word(self, signed, **changed):
        with pytest.raises(AccessRefused) as refused:
            self.judge(signed, **changed)
        assert "\n" not in refused.value.line()
        return refused.value.what


@pytest.fixture
def pole(trust, investigator):
    return Judge(trust, investigator.person)


@pytest.mark.parametrize("verdict", ["approved", "refused"])
def test_another_person_s_word_counts(pole, approver, verdict):
    signed = approver.approve(pole.request, verdict=verdict)

    judged = pole.judge(signed)

    assert judged.approval.verdict == verdict
    assert judged.approver == approver.person
    assert judged.sha256 == hashlib.sha256(signed).hexdigest()
    assert read_approval(signed) == judged.approval


@pytest.mark.apt("openssl")
def test_openssl_reads_what_the_approver_signed(city, pole, approver, tmp_path):
    require_packages("openssl")
    signed = approver.approve(pole.request)
    (tmp_path / "root.pem").write_bytes(city.root_pem)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER",
         "-CAfile", str(tmp_path / "root.pem"), "-purpose", "any"],
        input=signed, capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == canonical_struct(read_approval(signed))


def test_nobody_approves_what_they_asked_for(city, pole, investigator):
    own = city.person(PersonRole.APPROVER, "100")
    with pytest.raises(AccessRefused, match=r"^self_approval: "):
        own.approve(pole.request)
    # By hand, past our own client.
    assert pole.word(crafted(own, pole.request)) == "self_approval"
    lower = Judge(pole.trust, msgspec.structs.replace(investigator.person, number="ab-1"))
    second = city.person(PersonRole.APPROVER, "AB-1")
    assert lower.word(crafted(second, lower.request)) == "self_approval"


def test_who_sits_at_the_keyboard_counts_and_not_only_the_name_in_the_request(pole, approver):
    """Somebody who asked in another's name over TLS cannot approve it either."""
    signed = approver.approve(pole.request)

    assert pole.word(signed, requester=approver.person) == "self_approval"


def crafted(holder, request, **changed):
    """An approval that is signed well and says what it may not."""
    said = {
        "request": request,
        "request_sha256": hashlib.sha256(canonical_struct(request)).hexdigest(),
        "verdict": "approved",
        "approver_number": holder.person.number,
        "not_before_utc_us": request.requested_utc_us,
        "expires_utc_us": request.requested_utc_us + DAY_US,
    }
    content = canonical_struct(Approval(**(said | changed)))
    return sign_attached(
        content, chain_pem=holder.chain_pem, sign=holder.sign, t_utc_us=day_us(301)
    )


def test_an_approval_of_another_request_is_refused(pole, approver):
    for changed in (
        {"id": "019b0000-0000-7000-8000-000000000002"},
        {"to_utc_us": day_us(300) + 600_000_001},
        {"cameras": ("south",)},
        {"case_number": "2026/1235"},
        {"requester_number": "101"},
    ):
        another = an_export_request(**({"requester": "100"} | changed))
        assert pole.word(approver.approve(another)) == "another_request"


def test_the_hash_has_to_be_of_the_request_inside(pole, approver):
    another = an_export_request("100", case_number="another")

    mixed = crafted(approver, another, request_sha256=request_sha256(pole.request))
    swapped = crafted(approver, pole.request, request_sha256=request_sha256(another))

    assert pole.word(mixed) == "approval_malformed"
    assert pole.word(swapped) == "approval_malformed"


def test_an_approval_for_another_pole_is_refused(trust, investigator, approver):
    request = an_export_request("100", node="pole-8")
    pole = Judge(trust, investigator.person, request)

    assert pole.word(approver.approve(request)) == "another_pole"


@pytest.mark.parametrize("role", [role for role in PersonRole if role is not PersonRole.APPROVER])
def test_only_an_approver_approves(city, pole, role):
    holder = city.person(role, "300")

    assert pole.word(holder.approve(pole.request)) == "not_an_approver"


def test_an_approver_of_the_staff_ca_is_none(city, pole):
    holder = city.person(PersonRole.APPROVER, "300", issuer=city.staff_ca)

    assert pole.word(holder.approve(pole.request)) == "role_not_of_this_authority"


def test_a_pole_s_own_manifest_key_approves_nothing(city, pole):
    manifest = city.pole_key(KeyUsage.MANIFEST)
    said = read_approval(city.person(PersonRole.APPROVER, "200").approve(pole.request))
    signed = sign_attached(
        canonical_struct(said),
        chain_pem=manifest.chain_pem,
        sign=manifest.sign,
        t_utc_us=day_us(301),
    )

    assert pole.word(signed) == "no_role"


def test_the_signer_is_the_person_whom_the_approval_names(pole, approver):
    assert pole.word(crafted(approver, pole.request, approver_number="201")) == "another_signer"


def test_an_approver_who_was_dismissed_or_has_ended_approves_nothing(city, pole, approver):
    ended = city.person(PersonRole.APPROVER, "300", validity=days(0, 200))
    dismissed = city.held_trust(revoked=[revoked(approver.certificate, on_day=250)])

    assert pole.word(ended.approve(pole.request)) == "expired"
    assert pole.word(approver.approve(pole.request), trust=dismissed) == "revoked"
    assert pole.word(approver.approve(pole.request), trust=None) == "no_trust_list"


def test_an_approver_of_another_city_is_unknown(pole):
    stranger = PeopledCity().person(PersonRole.APPROVER, "200")

    assert pole.word(stranger.approve(pole.request)) == "unknown_authority"


def test_an_approval_counts_between_its_times_with_the_clock_s_bound(pole, approver):
    start = day_us(301)
    signed = approver.approve(pole.request, not_before_us=start, expires_us=start + DAY_US)

    def at(t_us, error_us=0):
        clock = SimulatedClock(t_utc_ns=t_us * 1000, utc_error_ns=error_us * 1000)
        return clock.read()

    for good in (at(start), at(start + DAY_US), at(start - MINUTE_US, MINUTE_US)):
        assert pole.judge(signed, now=good)
    assert pole.judge(signed, now=at(start + DAY_US + MINUTE_US, MINUTE_US))
    assert pole.word(signed, now=at(start - 1)) == "not_yet"
    assert pole.word(signed, now=at(start + DAY_US + 1)) == "expired"


@pytest.mark.parametrize(
    ("start_us", "length_us"),
    [(0, 0), (0, -1), (0, MAX_APPROVAL_US + 1)],
)
def test_an_approval_that_counts_never_or_for_ever_is_refused(pole, approver, start_us, length_us):
    start_us += day_us(301)
    times = {"not_before_utc_us": start_us, "expires_utc_us": start_us + length_us}

    assert pole.word(crafted(approver, pole.request, **times)) == "approval_malformed"
    with pytest.raises(AccessRefused, match=r"^approval_malformed: "):
        make_approval(pole.request, verdict="approved", approver_number="200", **times)


def test_a_request_is_no_approval_and_an_approval_no_request(pole, approver, investigator):
    assert pole.word(investigator.sign_request(pole.request)) == "approval_malformed"
    with pytest.raises(AccessRefused, match=r"^request_malformed: "):
        read_signed_request(approver.approve(pole.request))
    with pytest.raises(AccessRefused, match=r"^approval_malformed: "):
        read_approval(b"")


def test_no_flipped_byte_makes_another_approval(pole, approver):
    signed = approver.approve(pole.request)
    genuine = read_approval(signed)
    for place in range(0, len(signed), 5):
        flipped = bytearray(signed)
        flipped[place] ^= 0x01
        try:
            judged = pole.judge(bytes(flipped))
        except AccessRefused:
            continue
        # Only in the CA's certificate that came along: the pole has its own.
        assert (judged.approval, judged.approver) == (genuine, approver.person)


def test_afterwards_it_is_judged_at_the_time_of_the_record(city, pole, approver):
    signed = approver.approve(pole.request)
    lists = city.revocation_list(city.police_ca, revoked(approver.certificate, on_day=302))

    def judged(number):
        return judge_approval_at(
            signed,
            request=request_bytes(pole.request),
            requester_number="100",
            site=NODE.site,
            node=NODE.node,
            trust=pole.trust,
            at=SigningTime(day_us(number)),
            also_revoked=revocation_lists(lists.encode()),
        )

    assert judged(301).revoked_later_utc_us == day_us(302)
    with pytest.raises(AccessRefused, match=r"^revoked: "):
        judged(302)
    with pytest.raises(AccessRefused, match=r"^not_yet: "):
        judged(300)


def test_a_note_cannot_turn_the_direction_of_writing(pole, approver):
    assert pole.word(crafted(approver, pole.request, note="a\u202eb")) == "approval_malformed"
    with pytest.raises((AccessRefused, KeyRefused)):
        approver.sign_approval(
            msgspec.structs.replace(read_approval(approver.approve(pole.request)), note="x" * 501)
        )
