"""The addresses of the API: one table, which serving, OpenAPI and the tests of access read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web

from roeh.core.retrieval import MAX_SIGNED_BYTES, Action, ExportRequest
from roeh.retrieve.api import answers, endpoints
from roeh.retrieve.api.endpoints import Call, Picture
from roeh.retrieve.api.questions import (
    AlertPath,
    CameraPath,
    CustodyQuestion,
    ExportPath,
    HoldBody,
    HoldPath,
    MomentQuestion,
    Nothing,
    PageQuestion,
    PreviewQuestion,
    ReleaseBody,
    SpanQuestion,
    TakenBody,
)
from roeh.retrieve.visits.service import Service

API = "/api/v1"
JSON = "application/json"
CMS = "application/pkcs7-mime"
#: Of a body that is not an export's, an approval or a trust list.
MAX_BODY_BYTES = 4096

Answer = msgspec.Struct | Picture | web.StreamResponse
Endpoint = Callable[[Service, Call[Any, Any, Any]], Awaitable[Answer]]


class ExportRequestBody(ExportRequest, frozen=True, forbid_unknown_fields=True):
    """An ExportRequest in which nothing else may stand."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One address.

    Attributes:
        path: below API; its parameters are fields of `path_type`.
        action: what whoever asks must be allowed to do.
        signed_action: what whoever signed the body must be allowed to do.
        bodies: by media type; `bytes` is taken as it is. Empty: no body.
        answer: the type where it is JSON; `media_types` else.
        success: its status.
    """

    method: Literal["GET", "POST"]
    path: str
    action: Action
    endpoint: Endpoint
    path_type: type[msgspec.Struct] = Nothing
    query_type: type[msgspec.Struct] = Nothing
    signed_action: Action | None = None
    bodies: Mapping[str, type[msgspec.Struct] | type[bytes]] = {}
    max_body_bytes: int = MAX_BODY_BYTES
    answer: type[msgspec.Struct] | None = None
    media_types: tuple[str, ...] = (JSON,)
    success: int = 200

    @property
    def name(self) -> str:
        """Of the endpoint."""
        return self.endpoint.__name__


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/node",
        action=Action.SEE_HEALTH,
        endpoint=endpoints.node,
        answer=answers.NodeAnswer,
    ),
    Route(
        method="GET",
        path="/timeline",
        action=Action.SEE_TIMELINE,
        endpoint=endpoints.timeline,
        query_type=SpanQuestion,
        answer=answers.Timeline,
    ),
    Route(
        method="GET",
        path="/thumbnails/{alert_id}",
        action=Action.SEE_THUMBNAIL,
        endpoint=endpoints.thumbnail,
        path_type=AlertPath,
        media_types=("image/jpeg", "image/webp"),
    ),
    Route(
        method="GET",
        path="/stills/{camera}",
        action=Action.SEE_PREVIEW,
        endpoint=endpoints.still,
        path_type=CameraPath,
        query_type=MomentQuestion,
        media_types=("image/jpeg",),
    ),
    Route(
        method="GET",
        path="/previews/{camera}",
        action=Action.SEE_PREVIEW,
        endpoint=endpoints.preview,
        path_type=CameraPath,
        query_type=PreviewQuestion,
        media_types=("video/mp4",),
    ),
    Route(
        method="GET",
        path="/holds",
        action=Action.SEE_TIMELINE,
        endpoint=endpoints.holds,
        query_type=PageQuestion,
        answer=answers.Holds,
    ),
    Route(
        method="POST",
        path="/holds",
        action=Action.HOLD,
        endpoint=endpoints.hold,
        bodies={JSON: HoldBody},
        answer=answers.Hold,
        success=201,
    ),
    Route(
        method="POST",
        path="/holds/{hold_id}/release",
        action=Action.RELEASE_HOLD,
        endpoint=endpoints.release,
        path_type=HoldPath,
        bodies={JSON: ReleaseBody},
        answer=answers.Hold,
    ),
    Route(
        method="GET",
        path="/exports",
        action=Action.SEE_EXPORTS,
        endpoint=endpoints.exports,
        query_type=PageQuestion,
        answer=answers.Exports,
    ),
    Route(
        method="POST",
        path="/exports",
        action=Action.REQUEST_EXPORT,
        endpoint=endpoints.request_export,
        bodies={JSON: ExportRequestBody, CMS: bytes},
        max_body_bytes=MAX_SIGNED_BYTES,
        answer=answers.Export,
        success=201,
    ),
    Route(
        method="GET",
        path="/exports/{export_id}",
        action=Action.SEE_EXPORTS,
        endpoint=endpoints.export,
        path_type=ExportPath,
        answer=answers.Export,
    ),
    Route(
        method="GET",
        path="/exports/{export_id}/to-approve",
        action=Action.SEE_EXPORTS,
        endpoint=endpoints.to_approve,
        path_type=ExportPath,
        answer=answers.ToApprove,
    ),
    Route(
        method="POST",
        path="/exports/{export_id}/approval",
        action=Action.SEE_EXPORTS,
        signed_action=Action.APPROVE,
        endpoint=endpoints.approval,
        path_type=ExportPath,
        bodies={CMS: bytes},
        max_body_bytes=MAX_SIGNED_BYTES,
        answer=answers.Export,
    ),
    Route(
        method="GET",
        path="/exports/{export_id}/bundle",
        action=Action.FETCH,
        endpoint=endpoints.bundle,
        path_type=ExportPath,
        media_types=("application/octet-stream",),
    ),
    Route(
        method="POST",
        path="/exports/{export_id}/taken",
        action=Action.FETCH,
        endpoint=endpoints.taken,
        path_type=ExportPath,
        bodies={JSON: TakenBody},
        answer=answers.Export,
    ),
    Route(
        method="GET",
        path="/custody",
        action=Action.SEE_CUSTODY,
        endpoint=endpoints.custody,
        query_type=CustodyQuestion,
        answer=answers.Custody,
    ),
    Route(
        method="GET",
        path="/trust-list",
        action=Action.SEE_HEALTH,
        endpoint=endpoints.trust_list,
        media_types=(CMS,),
    ),
    Route(
        method="POST",
        path="/trust-list",
        action=Action.OFFER_TRUST_LIST,
        endpoint=endpoints.offer_trust_list,
        bodies={CMS: bytes},
        max_body_bytes=MAX_SIGNED_BYTES,
        answer=answers.TrustState,
    ),
)
