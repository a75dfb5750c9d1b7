"""The tables of roles: who may do what, and what of it still goes with a stale trust list.

edge/design/retrieval.md shows the same tables; a test compares them. Without IO.
"""

from __future__ import annotations

from typing import Final

from roeh.core.retrieval import Action, PersonRole
from roeh.keys.person_certificates import AUTHORITY_ROLES, AuthorityClass

_EVERYBODY: Final = frozenset(PersonRole)
_WATCHERS: Final = frozenset(
    {
        PersonRole.OPERATOR,
        PersonRole.INVESTIGATOR,
        PersonRole.APPROVER,
        PersonRole.PRIVACY_OFFICER,
    }
)

#: Who may do each action, given a trust list that is not stale.
ALLOWED: Final[dict[Action, frozenset[PersonRole]]] = {
    Action.SEE_HEALTH: _EVERYBODY,
    Action.SEE_TIMELINE: _WATCHERS,
    Action.SEE_THUMBNAIL: _WATCHERS,
    Action.SEE_PREVIEW: _WATCHERS - {PersonRole.OPERATOR},
    Action.HOLD: _WATCHERS,
    Action.RELEASE_HOLD: frozenset({PersonRole.INVESTIGATOR, PersonRole.APPROVER}),
    Action.REQUEST_EXPORT: frozenset({PersonRole.INVESTIGATOR}),
    Action.REQUEST_REDACTED: frozenset({PersonRole.PRIVACY_OFFICER}),
    Action.APPROVE: frozenset({PersonRole.APPROVER}),
    Action.SEE_EXPORTS: _EVERYBODY - {PersonRole.OPERATOR, PersonRole.TECHNICIAN},
    Action.FETCH: frozenset({PersonRole.INVESTIGATOR, PersonRole.PRIVACY_OFFICER}),
    Action.SEE_CUSTODY: frozenset({PersonRole.APPROVER, PersonRole.AUDITOR}),
    Action.OFFER_TRUST_LIST: _EVERYBODY,
}

#: What is not done on the word of somebody who may have been dismissed meanwhile.
NOT_WITH_STALE_LIST: Final = frozenset(
    {Action.SEE_THUMBNAIL, Action.SEE_PREVIEW, Action.RELEASE_HOLD, Action.APPROVE}
)

#: Of these only what the same person asked for.
OWN_ONLY: Final = frozenset({Action.FETCH})


def may(role: PersonRole, action: Action) -> bool:
    """Whether the role may do it at all; of `OWN_ONLY` their own only."""
    return role in ALLOWED[action]


def survives_stale(action: Action) -> bool:
    """Whether it is still done when the trust list is stale."""
    return action not in NOT_WITH_STALE_LIST


def may_mint(authority_class: AuthorityClass, role: PersonRole) -> bool:
    """Whether a CA of this class may make certificates of this role."""
    return role in AUTHORITY_ROLES[authority_class]
