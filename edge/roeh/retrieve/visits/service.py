"""What a pole does for people: the API and the pages both stand on this."""

from __future__ import annotations

import msgspec

from roeh.bundle.rendering import Renderer
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.retrieve.health.status import StatusFeed
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.auditing import Auditing
from roeh.retrieve.visits.exporting import Exporting
from roeh.retrieve.visits.fetching import Fetching
from roeh.retrieve.visits.judging import Judge
from roeh.retrieve.visits.looking import Looking


class Service(msgspec.Struct, frozen=True):
    """The parts; each of their methods takes the Visit and judges it before it shows anything."""

    config: NodeConfig
    clock: Clock
    judge: Judge
    looking: Looking
    exporting: Exporting
    fetching: Fetching
    auditing: Auditing


def service_of(
    config: NodeConfig, clock: Clock, link: EvidenceLink, feed: StatusFeed, renderer: Renderer
) -> Service:
    """The service of one pole."""
    judge = Judge(link)
    exporting = Exporting(config, clock, link, judge)
    return Service(
        config=config,
        clock=clock,
        judge=judge,
        looking=Looking(config, link, judge, renderer),
        exporting=exporting,
        fetching=Fetching(config, clock, exporting),
        auditing=Auditing(config, link, judge, feed),
    )
