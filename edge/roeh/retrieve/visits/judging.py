"""Whoever wants anything is judged by evidence first, each time; its answer is on record."""

from __future__ import annotations

from roeh.access.roles import may
from roeh.core.errors import AccessRefused
from roeh.core.peers import Verb
from roeh.core.retrieval import Action, JudgedVisitor, JudgeVisitor
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.visit import Visit


class Judge:
    """Asks evidence who somebody is and whether they may."""

    def __init__(self, link: EvidenceLink) -> None:
        self._link = link

    async def judge(
        self,
        visit: Visit,
        action: Action,
        detail: str = "",
        *,
        cameras: tuple[str, ...] = (),
        from_utc_us: int = 0,
        to_utc_us: int = 0,
        export_id: str | None = None,
    ) -> JudgedVisitor:
        """Who they are; they may.

        Args:
            visit: who asks.
            action: what they want.
            detail: of what, for people.
            cameras: of what, for the custody of a bundle.
            from_utc_us: likewise, the begin of a stretch.
            to_utc_us: its end.
            export_id: likewise, an export.

        Raises:
            AccessRefused: they may not, or are not believed.
            PeerGone: evidence does not answer; nothing is shown then.
        """
        judged = await self._link.ask(
            Verb.VISITOR_JUDGE,
            JudgeVisitor(
                visitor=visit.visitor,
                action=action,
                detail=detail,
                cameras=cameras,
                from_utc_us=from_utc_us,
                to_utc_us=to_utc_us,
                export_id=export_id,
            ),
            JudgedVisitor,
        )
        # Evidence has said so already; what is shown here does not hang on one line of it.
        if not may(judged.person.role, action):
            raise AccessRefused(
                what="role_not_allowed",
                which=f"{judged.person.role.value}: {action.value}",
                remedy="ask somebody whose role may: edge/design/retrieval.md",
            )
        return judged
