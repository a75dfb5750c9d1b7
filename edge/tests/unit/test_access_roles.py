"""The tables of roles are those that the design page shows."""

import re
from pathlib import Path

import pytest

from roeh.access.refusals import REMEDIES
from roeh.access.roles import OWN_ONLY, may, may_mint, survives_stale
from roeh.core.retrieval import Action, PersonRole
from roeh.keys.person_certificates import (
    AUTHORITY_ROLES,
    CLIENT_AUTH,
    ROLE_USAGES,
    TRUST_LIST_USAGE,
    AuthorityClass,
)
from roeh.keys.signer import ARC, EXTENDED_KEY_USAGES

KEYS_PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
PAGE = (Path(__file__).parents[2] / "design" / "retrieval.md").read_text(encoding="utf-8")


def test_the_page_says_who_may_do_what():
    page = PAGE[PAGE.index("| action | operator |") :]
    lines = [line for line in page.splitlines()[: len(Action) + 2] if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    roles = [PersonRole(name.replace(" ", "_")) for name in head[1:]]
    assert sorted(roles, key=str) == sorted(PersonRole, key=str)
    assert [row[0] for row in rows] == [action.value for action in Action]

    for name, *cells in rows:
        action = Action(name)
        for role, cell in zip(roles, cells, strict=True):
            assert may(role, action) == bool(cell), (role, action)
            assert (cell == "own") == (may(role, action) and action in OWN_ONLY)


@pytest.mark.parametrize(
    ("words", "actions"),
    [
        ("see health, offer a trust list", (Action.SEE_HEALTH, Action.OFFER_TRUST_LIST)),
        (
            "hold, see timeline, see the custody log, see exports",
            (Action.HOLD, Action.SEE_TIMELINE, Action.SEE_CUSTODY, Action.SEE_EXPORTS),
        ),
        ("fetch an export that was approved before", (Action.FETCH,)),
        ("request an export", (Action.REQUEST_EXPORT, Action.REQUEST_REDACTED)),
        (
            "thumbnails, previews, approvals, releases",
            (Action.SEE_THUMBNAIL, Action.SEE_PREVIEW, Action.APPROVE, Action.RELEASE_HOLD),
        ),
    ],
)
def test_the_page_says_what_goes_on_with_a_stale_list(words, actions):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {words} |"))
    goes = row.split("|")[2].strip()

    assert {survives_stale(action) for action in actions} == {goes.startswith("yes")}


def test_no_action_is_without_a_rule_for_a_stale_list():
    stopped = {action for action in Action if not survives_stale(action)}

    assert stopped == {
        Action.SEE_THUMBNAIL,
        Action.SEE_PREVIEW,
        Action.APPROVE,
        Action.RELEASE_HOLD,
    }


@pytest.mark.parametrize("authority_class", [AuthorityClass.POLICE, AuthorityClass.STAFF])
def test_the_page_says_who_may_mint_whom_and_by_which_usages(authority_class):
    row = next(
        line for line in PAGE.splitlines() if line.startswith(f"| {authority_class.value} CA")
    )
    _, _, minted, usages, _ = (cell.strip() for cell in row.split("|"))
    named = dict(re.findall(r"([a-z ]+?) \((\d)\)", minted.replace(", ", ",").replace(",", " ")))
    roles = {PersonRole(name.strip().replace(" ", "_")): number for name, number in named.items()}

    assert {role for role in PersonRole if may_mint(authority_class, role)} == set(roles)
    assert {ROLE_USAGES[role] for role in roles} == {f"{ARC}.10.{n}" for n in roles.values()}
    assert usages.split(", ") == ["clientAuth", *sorted(f".10.{n}" for n in roles.values())]


def test_every_role_is_minted_by_one_class_and_has_a_usage_that_nothing_else_has():
    minted = [role for roles in AUTHORITY_ROLES.values() for role in roles]
    assert sorted(minted, key=str) == sorted(PersonRole, key=str)
    assert not any(may_mint(AuthorityClass.DEVICE, role) for role in PersonRole)

    ours = [*ROLE_USAGES.values(), TRUST_LIST_USAGE]
    others = {oid for usages in EXTENDED_KEY_USAGES.values() for oid in usages}
    assert len(set(ours)) == len(ours)
    assert not (set(ours) & (others | {CLIENT_AUTH}))


def test_the_page_of_keys_lists_every_word_of_a_refusal_with_its_remedy():
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", KEYS_PAGE, re.MULTILINE)

    assert [row for row in rows if row[0] in REMEDIES] == list(REMEDIES.items())
