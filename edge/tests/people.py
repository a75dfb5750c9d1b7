"""A whole city of persons for tests: police and staff CA, trust-list signer, persons of any role.

    city = PeopledCity()
    officer = city.person(PersonRole.INVESTIGATOR, "100")
    officer.sign_request(request)        # CMS
    city.trust_list(version=1)           # CMS, as a pole takes it
    city.held_trust()                    # the same, read

Certificates count from day 0 of authorities.py's calendar (START) to day 3650, so the machine's
own clock lies inside too. Nothing is written unless `write_person` is called.
"""

from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.access.people import person_of
from roeh.access.requests import make_approval, sign_approval, sign_request
from roeh.access.trust_list import (
    TrustedAuthority,
    TrustList,
    read_trust_list,
    sign_trust_list,
)
from roeh.core.clock import SimulatedClock
from roeh.core.retrieval import ExportRequest, Person, PersonRole
from roeh.keys.certificates import (
    authority_name,
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_subject,
)
from roeh.keys.person_certificates import (
    AUTHORITY_ROLES,
    AuthorityClass,
    PersonName,
    person_authority,
    person_certificate,
    trust_list_certificate,
)
from roeh.keys.revocation import make_list
from tests.authorities import NODE, City, day_us, days

#: `age-keygen` made it; nobody has its identity.
SOMEBODYS_AGE_KEY = "age1w4ry4rrsjjqta22v4wgrvyswv9dxtpswryppxjkucn9g0hv4t47snh5p7c"
ISSUED_ON_DAY = 300


@dataclass(frozen=True)
class KeyHolder:
    """Somebody or something with a key and a certificate."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain_pem: bytes

    def sign(self, message):
        """ECDSA P-256 over SHA-256, DER: as keys/signer.Signer.sign."""
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    @property
    def certificate_der(self):
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def pem(self):
        """Key, certificate and CA in one file, as `ssl` and `roeh police` take it."""
        return self.key_pem + self.chain_pem


class HeldPerson(KeyHolder):
    """A person of the city."""

    @cached_property
    def person(self) -> Person:
        return person_of(self.certificate_der)

    def sign_request(self, request, *, t_utc_us=None):
        when = request.requested_utc_us if t_utc_us is None else t_utc_us
        return sign_request(request, chain_pem=self.chain_pem, sign=self.sign, t_utc_us=when)

    def approve(self, request, *, verdict="approved", not_before_us=None, expires_us=None, note=""):
        """A signed approval; a day from the request on, unless said otherwise."""
        start = request.requested_utc_us if not_before_us is None else not_before_us
        approval = make_approval(
            request,
            verdict=verdict,
            approver_number=self.person.number,
            not_before_utc_us=start,
            expires_utc_us=start + 86_400_000_000 if expires_us is None else expires_us,
            note=note,
        )
        return self.sign_approval(approval)

    def sign_approval(self, approval):
        return sign_approval(
            approval,
            chain_pem=self.chain_pem,
            sign=self.sign,
            t_utc_us=approval.not_before_utc_us,
        )


class PeopledCity(City):
    """A city whose root has a node CA, a police CA, a staff CA and a trust-list signer."""

    def __init__(self, name="City"):
        super().__init__(name)
        self.police_ca = self.person_ca(AuthorityClass.POLICE, f"{name} police CA")
        self.staff_ca = self.person_ca(AuthorityClass.STAFF, f"{name} staff CA")
        self.trust_signer = self.new_trust_signer()

    @property
    def root_pem(self):
        return self.anchors_pem

    def person_ca(self, authority_class, name):
        return person_authority(
            authority_name(name), new_private_key(), self.root, days(0, 3650), authority_class
        )

    def new_trust_signer(self):
        key = new_private_key()
        certificate = trust_list_certificate(
            authority_name("Trust lists"), key.public_key(), self.root, days(0, 3650)
        )
        return KeyHolder(certificate, key, certificate_pem(certificate, self.root.certificate))

    def person(
        self,
        role,
        number="100",
        *,
        name="Somebody",
        organisation="Police",
        issuer=None,
        validity=None,
    ):
        if issuer is None:
            is_police = role in AUTHORITY_ROLES[AuthorityClass.POLICE]
            issuer = self.police_ca if is_police else self.staff_ca
        key = new_private_key()
        certificate = person_certificate(
            PersonName(number, name, organisation),
            role,
            key.public_key(),
            issuer,
            validity or days(0, 3650),
        )
        return HeldPerson(certificate, key, certificate_pem(certificate, issuer.certificate))

    def one_of_each(self):
        """A person of every role, by role; each has another number."""
        return {
            role: self.person(role, f"{place}00", name=role.value)
            for place, role in enumerate(PersonRole, start=1)
        }

    def pole_key(self, usage, *, name=NODE):
        """A pole's key of one usage, with its certificate and the node CA's."""
        key = new_private_key()
        certificate = leaf_certificate(
            node_subject(name, usage.value),
            key.public_key(),
            usage,
            self.node_ca,
            days(0, 3650),
        )
        return KeyHolder(certificate, key, self.chain(certificate))

    def authorities(self):
        return (
            (AuthorityClass.DEVICE, self.node_ca),
            (AuthorityClass.POLICE, self.police_ca),
            (AuthorityClass.STAFF, self.staff_ca),
        )

    def revocation_list(self, issuer, *entries, number=1, made_on_day=200):
        made = make_list(
            issuer, entries, number=number, validity=days(made_on_day, made_on_day + 3000)
        )
        return made.public_bytes(Encoding.PEM).decode()

    def trust_list_content(
        self,
        *,
        version=1,
        issued_us=None,
        authorities=None,
        revoked=(),
        revocation_lists=None,
        list_number=1,
    ):
        """What a list says. `revoked`: entries (authorities.revoked), for the CAs they are of."""
        if revocation_lists is None:
            revocation_lists = [
                self.revocation_list(issuer, *revoked, number=list_number)
                for issuer in (self.root, self.node_ca, self.police_ca, self.staff_ca)
            ]
        return TrustList(
            version=version,
            issued_utc_us=day_us(ISSUED_ON_DAY) if issued_us is None else issued_us,
            authorities=tuple(
                TrustedAuthority(kind, certificate_pem(ca.certificate).decode())
                for kind, ca in (self.authorities() if authorities is None else authorities)
            ),
            revocation_lists_pem=tuple(revocation_lists),
        )

    def trust_list(self, **said):
        """A signed list, as a pole takes it."""
        return self.sign_trust_list(self.trust_list_content(**said))

    def sign_trust_list(self, content, signer=None):
        signer = signer or self.trust_signer
        return sign_trust_list(content, chain_pem=signer.chain_pem, sign=signer.sign)

    def held_trust(self, **said):
        return read_trust_list(self.trust_list(**said), self.root_pem, None)


def an_export_request(requester="100", **changed):
    """A request for ten minutes of one camera of the pole NODE, on day 301."""
    said = {
        "id": "019b0000-0000-7000-8000-000000000001",
        "site": NODE.site,
        "node": NODE.node,
        "case_number": "2026/1234",
        "legal_basis": "Search warrant 77/26",
        "reason": "Assault in the square",
        "cameras": ("north",),
        "from_utc_us": day_us(300),
        "to_utc_us": day_us(300) + 600_000_000,
        "recipients": (SOMEBODYS_AGE_KEY,),
        "requester_number": requester,
        "requested_utc_us": day_us(301),
    }
    return ExportRequest(**(said | changed))


def clock_on_day(number, *, error_us=0, synchronised=True):
    """A clock that stands on a day of the tests' calendar."""
    return SimulatedClock(
        t_utc_ns=day_us(number) * 1000, utc_error_ns=error_us * 1000, synchronised=synchronised
    )


def write_person(holder, path):
    """Key, certificate and CA in a file of mode 0600."""
    path.write_bytes(holder.pem)
    path.chmod(0o600)
    return path
