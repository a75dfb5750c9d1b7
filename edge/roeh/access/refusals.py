"""The stable first word of every refusal of access, and what the person can do. One table."""

from __future__ import annotations

from typing import Final

from roeh.core.errors import AccessRefused

REMEDIES: Final[dict[str, str]] = {
    # Certificates.
    "malformed": "show a certificate that roeh keys person sign made",
    "not_a_person": "show a person's certificate, not that of a CA or of another key",
    "no_role": "have a certificate made for exactly one role: roeh keys person sign",
    "no_name": "have a certificate made that names one person and organisation",
    "no_number": "have a certificate made with one number: roeh keys person request --number",
    "no_trust_list": "give the pole a trust list: roeh keys trust-list make",
    "unknown_authority": "have the trust list name the CA that made the certificate",
    "role_not_of_this_authority": "have the CA of the role's class make the certificate",
    "unfit_authority": "have the CA made anew: roeh keys ca --for police, or staff",
    "not_yet_valid": "wait, or check the pole's clock",
    "expired": "have it made anew",
    "revoked": "ask the key keeper why",
    "revocation_unknown": "have the trust list carry the CA's revocation list",
    # Trust lists.
    "trust_list_malformed": "make it anew: roeh keys trust-list make",
    "trust_list_signer": "have it signed by a trust-list signer under the city's root",
    "trust_list_from_the_future": "check the pole's clock and the key keeper's",
    "older_trust_list": "offer the newest one; versions only grow",
    "another_trust_list": "make it with a higher version: this one was given out differently",
    "older_revocation_list": "make it with the newest list of each CA",
    # Requests and approvals.
    "request_malformed": "make it anew: roeh police request",
    "approval_malformed": "make it anew: roeh police approve",
    "another_signer": "sign with the certificate of the person whom it names",
    "another_request": "approve this request, whole",
    "another_pole": "take it to the pole that it names",
    "self_approval": "have another person approve",
    "not_an_approver": "have an approver sign",
    "not_yet": "wait until it counts, or check the pole's clock",
    # What the pole decides (evidence).
    "not_this_role": "ask somebody whose role may: the table is in edge/docs/retrieval.md",
    "not_own": "only who asked for an export takes it",
    "stale_trust_list": "give the pole a newer trust list, or have its clock synchronised",
    "already_decided": "ask anew: an approval counts once, and for one export",
}


def refused(word: str, which: str) -> AccessRefused:
    """A refusal: `word` is its `what`, for programs and records."""
    return AccessRefused(what=word, which=which, remedy=REMEDIES[word])
