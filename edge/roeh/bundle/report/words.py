"""The words of a report: one table, filled once for each language (words_en, words_he).

What stands in braces is filled in by wording.py; both languages name the same things.
"""

from __future__ import annotations

import msgspec


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One language's words."""

    title: str
    subtitle: str
    footer: str

    intact: str
    damaged: str
    empty: str
    finding_intact: str
    finding_intact_redacted: str
    finding_damaged: str
    finding_damaged_here: str
    finding_unproven: str
    finding_empty: str
    finding_not_proof: str

    section_findings: str
    section_request: str
    section_recorded: str
    section_originals: str
    section_stills: str
    section_timeline: str
    section_clock: str
    section_witness: str
    section_custody: str
    section_parts: str
    section_keys: str
    section_verify: str

    none: str
    not_known: str
    from_to: str

    damage_more: str
    note_also: str

    export_id: str
    kind: str
    kind_full: str
    kind_redacted: str
    kind_redacted_note: str
    place: str
    place_value: str
    span: str
    length: str
    cameras: str
    case_number: str
    legal_basis: str
    reason: str
    requested_by: str
    requested_at: str
    approved_by: str
    approval_valid: str
    approval_note: str
    not_approved: str
    person_value: str
    recipients: str
    regions: str
    software: str

    camera: str
    held_from: str
    held_to: str
    count_intact: str
    count_damaged: str
    count_lost: str
    count_deleted: str
    count_unproven: str
    size: str
    gaps: str
    gap_reason: str
    no_gaps: str
    playable: str
    playable_file: str
    playable_note: str
    picture_size: str

    still_of_alert: str
    still_of_camera: str
    still_view: str
    no_stills: str
    stills_note: str

    timeline_words: str
    timeline_alert: str
    timeline_note: str
    legend_intact: str
    legend_damaged: str
    legend_lost: str
    legend_deleted: str
    legend_unproven: str
    legend_gap: str
    legend_lock: str
    legend_hold: str
    legend_alert: str
    legend_asked: str

    clock_synchronised: str
    clock_unsynchronised: str
    clock_camera: str
    clock_camera_unsynchronised: str
    clock_order: str
    made_at: str

    witness_never: str
    witness_untimed: str
    witness_window: str
    witness_span_covered: str
    witness_span_partly: str
    witness_meaning: str
    ledger_size: str
    witnessed_size: str
    timestamp_none: str
    timestamp_granted: str
    timestamp_failed: str

    custody_note: str
    custody_more: str
    custody_unsynchronised: str
    custody_none: str
    when: str
    who: str
    what: str
    detail: str
    leaf: str
    nobody: str
    does_hold: str
    does_release_asked: str
    does_release_released: str
    does_release_ended: str
    does_access: str
    does_refused: str
    does_export_request: str
    does_approved: str
    does_refused_export: str
    does_export_begun: str
    does_export_sealed: str
    does_export_ready: str
    does_export_taken: str
    does_export_untaken: str
    does_export_failed: str
    does_export_interrupted: str
    does_export_expired: str
    does_trust_list: str
    does_erasure: str
    does_other: str

    action_see_health: str
    action_see_timeline: str
    action_see_thumbnail: str
    action_see_preview: str
    action_hold: str
    action_release_hold: str
    action_request_export: str
    action_request_redacted: str
    action_approve: str
    action_see_exports: str
    action_fetch: str
    action_see_custody: str
    action_offer_trust_list: str

    gops_caption: str
    gops_none: str
    segments_caption: str
    segments_note: str
    segments_more: str
    segment: str
    gop: str
    gops: str
    sha256: str
    state: str
    state_intact: str
    state_damaged: str
    state_missing: str
    state_unreadable: str
    state_deleted: str
    state_unproven: str

    key_usage: str
    key_home: str
    key_media: str
    key_log: str
    key_manifest: str
    key_note: str
    trust_version: str
    trust_issued: str
    trust_age: str
    trust_none: str

    verify_note: str
    verify_roeh: str
    verify_hashes: str
    verify_manifest: str
    verify_timestamp: str
    verify_trusted: str
