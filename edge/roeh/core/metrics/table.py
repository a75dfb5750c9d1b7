"""The table of metrics: each name, what it is, which process shows it, and from what.

Names follow Prometheus: the unit at the end, `_total` behind what only grows. A source is a
counter of the process, as it stands in its report; `{camera}` in it becomes a label. The
page edge/docs/metrics.md is made from this table.
"""

from __future__ import annotations

import enum

import msgspec

#: States of a process or a node, as one metric with a line for each.
CONDITIONS = ("starting", "ok", "degraded", "blind", "stopped")
_PER_US = 1e-6
_PER_PERCENT = 0.01
_S_PER_DAY = 86400.0


class MetricKind(enum.Enum):
    """How Prometheus reads it."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Metric(msgspec.Struct, frozen=True):
    """One row.

    Attributes:
        name: with its unit.
        kind: a counter only grows while the process runs.
        process: which shows it; "*": every one.
        source: name of the counter, `{label}` where it names what it counts.
        help: one sentence.
        scale: what the counter is multiplied by.
    """

    name: str
    kind: MetricKind
    process: str
    source: str
    help: str
    scale: float = 1.0


def _counter(name: str, process: str, source: str, text: str, scale: float = 1.0) -> Metric:
    return Metric(name, MetricKind.COUNTER, process, source, text, scale)


def _gauge(name: str, process: str, source: str, text: str, scale: float = 1.0) -> Metric:
    return Metric(name, MetricKind.GAUGE, process, source, text, scale)


_EVERY = (
    _gauge("roeh_process_condition", "*", "condition_{condition}",
           "1 for the condition that the process is in, 0 for the others."),
    _counter("roeh_process_cpu_seconds_total", "*", "cpu_process_s",
             "CPU time of the process, all threads."),
    _gauge("roeh_metrics_written_timestamp_seconds", "*", "written_utc_s",
           "When this file was written, by the machine's clock."),
    _gauge("roeh_build_info", "*", "version_{version}", "1; the version is a label."),
)  # fmt: skip

_CAPTURE = (
    _counter("roeh_capture_frames_total", "capture", "frames_{camera}",
             "Pictures that the camera gave."),
    _counter("roeh_capture_frames_offered_total", "capture", "frames_offered_{camera}",
             "Pictures offered to detection."),
    _counter("roeh_capture_frames_not_offered_total", "capture", "frames_not_offered_{camera}",
             "Pictures not offered because every slot was in use."),
    _counter("roeh_capture_offered_age_seconds_total", "capture", "age_offered_{camera}_s",
             "How old pictures were when offered, all together."),
    _counter("roeh_capture_source_cpu_seconds_total", "capture", "cpu_source_{camera}_s",
             "CPU time of taking pictures from the camera."),
    _counter("roeh_capture_offer_cpu_seconds_total", "capture", "cpu_offer_{camera}_s",
             "CPU time of offering them."),
    _counter("roeh_capture_gops_sent_total", "capture", "gops_sent_{camera}",
             "Groups of pictures that evidence made durable."),
    _counter("roeh_capture_gops_dropped_total", "capture", "gops_dropped_{camera}",
             "Groups of pictures lost because evidence could not keep up; each is a gap."),
    _gauge("roeh_capture_ring_bytes", "capture", "ring_{camera}_bytes",
           "What waits in memory to be recorded."),
    _gauge("roeh_capture_gop_longest_seconds", "capture", "gop_longest_{camera}_s",
           "The longest time between key pictures: what a power cut may lose."),
    _counter("roeh_capture_encode_cpu_seconds_total", "capture", "cpu_encode_{camera}_s",
             "CPU time of encoding, where the camera gives no coded video."),
    _counter("roeh_capture_frames_not_encoded_total", "capture", "frames_not_encoded_{camera}",
             "Pictures that the encoder had no time for."),
)  # fmt: skip

_DETECT = (
    _counter("roeh_detect_frames_analysed_total", "detect", "frames_analysed",
             "Pictures analysed."),
    _counter("roeh_detect_frames_skipped_total", "detect", "frames_skipped",
             "Pictures passed over for newer ones."),
    _counter("roeh_detect_tiles_total", "detect", "tiles_looked_at", "Tiles looked at."),
    _counter("roeh_detect_frames_saved_total", "detect", "frames_saved",
             "Pictures not looked at because the budget gave them up."),
    _gauge("roeh_detect_budget_steps", "detect", "budget_steps",
           "How many things are given up to hold the budget; the status names them."),
    _gauge("roeh_detect_threads", "detect", "threads", "Threads of the model's runtime."),
    _counter("roeh_detect_alerts_stored_total", "detect", "alerts_stored",
             "Alert messages that evidence made durable."),
    _counter("roeh_detect_alerts_refused_total", "detect", "alerts_refused",
             "Alert messages that evidence refused."),
    _gauge("roeh_detect_alerts_waiting", "detect", "alerts_waiting",
           "Alert messages not durable yet."),
    _counter("roeh_detect_blocked_seconds_total", "detect", "detect_blocked_s",
             "Time that analysis waited because alerts were not taken."),
    _gauge("roeh_detect_first_frame_seconds", "detect", "first_frame_mono_s",
           "Monotonic time of the first picture analysed."),
    _counter("roeh_detect_stage_cpu_seconds_total", "detect", "cpu_{stage}_s",
             "CPU time of a stage of analysis."),
    _counter("roeh_detect_stage_runs_total", "detect", "runs_{stage}",
             "How often a stage ran."),
)  # fmt: skip

_EVIDENCE = (
    _gauge("roeh_node_condition", "evidence", "node_{condition}",
           "1 for the worst condition of the node's processes, 0 for the others."),
    _gauge("roeh_node_reported_condition", "evidence", "said_{reporter}_{condition}",
           "1 for what a process said of itself last, 0 for the others."),
    _gauge("roeh_node_alarms", "evidence", "alarms",
           "Lines that a person should read: roeh doctor shows them."),
    _gauge("roeh_clock_synchronised", "evidence", "clock_synchronised",
           "1 while the kernel's clock is synchronised."),
    _gauge("roeh_clock_error_seconds", "evidence", "clock_error_us",
           "The bound of its error.", _PER_US),
    _counter("roeh_alerts_stored_total", "evidence", "alerts_stored",
             "Alert messages since the store was made."),
    _gauge("roeh_outbox_rows", "evidence", "outbox_rows", "Messages that wait to be delivered."),
    _gauge("roeh_outbox_bytes", "evidence", "outbox_bytes", "Their bytes."),
    _gauge("roeh_outbox_oldest_age_seconds", "evidence", "outbox_oldest_age_us",
           "How long the oldest has waited.", _PER_US),
    _counter("roeh_outbox_evicted_total", "evidence", "outbox_evicted",
             "Messages evicted unsent, since the store was made."),
    _counter("roeh_outbox_refused_total", "evidence", "outbox_refused",
             "Refusals by the broker, since the store was made."),
    _gauge("roeh_storage_failing", "evidence", "storage_failing",
           "1 while the store does not take what is written."),
    _gauge("roeh_camera_fragment_age_seconds", "evidence", "fragment_age_{camera}_us",
           "Since the newest fragment of a camera was made durable.", _PER_US),
    _gauge("roeh_evidence_segments", "evidence", "segments", "Segment files on the disk."),
    _gauge("roeh_evidence_segments_bytes", "evidence", "segments_bytes", "Their bytes."),
    _gauge("roeh_evidence_locked_bytes", "evidence", "locked_bytes", "Kept because of alerts."),
    _gauge("roeh_evidence_held_bytes", "evidence", "held_bytes", "Kept because a person said so."),
    _gauge("roeh_evidence_free_bytes", "evidence", "free_bytes", "Free on the evidence disk."),
    _counter("roeh_evidence_gaps_total", "evidence", "gaps",
             "Signed statements that nothing was recorded, since the store was made."),
    _counter("roeh_evidence_written_bytes_total", "evidence", "written_{what}_bytes",
             "Bytes written to the disk, since the store was made."),
    _gauge("roeh_evidence_retention_seconds", "evidence", "retention_us",
           "How far back the recordings reach, in time that the node ran.", _PER_US),
    _counter("roeh_ledger_records_total", "evidence", "ledger_size", "Records of the ledger."),
    _gauge("roeh_ledger_witnessed_age_seconds", "evidence", "witnessed_age_us",
           "Since a witness signed a checkpoint.", _PER_US),
    _gauge("roeh_board_temperature_celsius", "evidence", "temperature_c",
           "The hottest sensor of the board."),
    _gauge("roeh_board_throttled", "evidence", "throttled_{cause}",
           "1 for each complaint of the board about power or heat."),
    _gauge("roeh_disk_wear_ratio", "evidence", "wear_percent",
           "Of the evidence disk's life, 1 is all of it.", _PER_PERCENT),
    _gauge("roeh_certificate_remaining_seconds", "evidence", "certificate_days",
           "Until the first of the node's signing certificates ends, in whole days.", _S_PER_DAY),
    _counter("roeh_statements_refused_total", "evidence", "statements_refused",
             "Acknowledgements, commands and cosignatures not believed."),
    _counter("roeh_orders_unanswered_total", "evidence", "orders_unanswered",
             "Orders that failed because their process said nothing in time."),
    _counter("roeh_answers_dropped_total", "evidence", "answers_dropped",
             "Answers to commands not sent because too many waited."),
    _counter("roeh_access_refused_total", "evidence", "access_refused",
             "Persons and signed objects that evidence did not let in."),
    _gauge("roeh_exports_waiting", "evidence", "exports_{state}",
           "Exports that wait for an approval, for their builder, or for whoever asked."),
)  # fmt: skip

_PUBLISH = (
    _counter("roeh_publish_delivered_total", "publish", "delivered",
             "Messages that the broker took."),
    _counter("roeh_publish_refused_total", "publish", "refused", "Messages that it refused."),
    _counter("roeh_publish_unread_total", "publish", "unread",
             "Messages that it took and nobody reads."),
    _counter("roeh_publish_acknowledged_total", "publish", "acknowledged",
             "Messages that the desk acknowledged by its signature."),
    _counter("roeh_publish_sent_again_total", "publish", "sent_again",
             "Messages sent again because no acknowledgement came in time."),
    _counter("roeh_publish_answers_total", "publish", "answers", "Answers to commands sent."),
    _counter("roeh_publish_checkpoints_total", "publish", "checkpoints",
             "Checkpoints sent to the witnesses."),
    _counter("roeh_publish_down_dropped_total", "publish", "down_dropped",
             "What came down and was dropped because too much came."),
    _counter("roeh_publish_down_refused_total", "publish", "down_refused",
             "What came down and evidence did not believe."),
    _counter("roeh_publish_connections_total", "publish", "connections",
             "Connections to the broker."),
    _gauge("roeh_publish_in_flight", "publish", "in_flight",
           "Messages sent and not acknowledged yet."),
    _counter("roeh_publish_window_full_total", "publish", "publish_window_full",
             "How often more waited than the window lets out."),
)  # fmt: skip

_RETRIEVE = (
    _counter("roeh_retrieve_requests_total", "retrieve", "requests_answered",
             "Requests answered."),
    _counter("roeh_retrieve_requests_unknown_total", "retrieve", "requests_answered_unknown",
             "Requests for what is not there."),
    _gauge("roeh_retrieve_people_connections", "retrieve", "people_connections",
           "Connections of persons that are open."),
    _counter("roeh_retrieve_people_requests_total", "retrieve", "people_requests",
             "Requests of persons."),
    _counter("roeh_retrieve_people_refused_total", "retrieve", "people_refused",
             "Requests of persons that were refused: who they are, or too many."),
    _counter("roeh_retrieve_strangers_total", "retrieve", "people_strangers",
             "Turned away at the door, without a certificate that is believed."),
    _counter("roeh_retrieve_greetings_crowded_out_total", "retrieve",
             "people_greetings_crowded_out", "Greetings that ended for a newer one."),
    _counter("roeh_retrieve_bundle_bytes_total", "retrieve", "bundle_bytes_sent",
             "Bytes of bundles sent."),
)  # fmt: skip

_INGEST = (
    _counter("roeh_desk_messages_total", "ingest", "messages", "Messages that came."),
    _counter("roeh_desk_commits_total", "ingest", "commits", "Transactions committed."),
    _counter("roeh_desk_commit_seconds_total", "ingest", "commit_s",
             "Time that those took, all together."),
    _counter("roeh_desk_commit_failures_total", "ingest", "commit_failures",
             "Transactions that failed; what was in them is sent again."),
    _counter("roeh_desk_stored_total", "ingest", "new", "Messages stored."),
    _counter("roeh_desk_duplicates_total", "ingest", "duplicates",
             "Messages that were stored before."),
    _counter("roeh_desk_contradicted_total", "ingest", "contradicted",
             "Messages with an id that is stored with other bytes."),
    _counter("roeh_desk_not_believed_total", "ingest", "not_believed",
             "Answers and keys that could not be believed."),
    _counter("roeh_desk_refused_total", "ingest", "refused",
             "Messages that could not be understood."),
    _counter("roeh_desk_acknowledgements_total", "ingest", "acknowledgements",
             "Signed acknowledgements sent."),
    _counter("roeh_desk_commands_sent_total", "ingest", "commands_sent", "Commands sent."),
    _counter("roeh_desk_expired_total", "ingest", "expired",
             "Rows deleted because they were too old."),
    _counter("roeh_desk_resends_asked_total", "ingest", "resends_asked",
             "Orders to send missing alerts again."),
    _gauge("roeh_desk_missing_alerts", "ingest", "missing",
           "Alert numbers that others have overtaken and that are not here."),
    _gauge("roeh_desk_poles", "ingest", "poles_{link}", "Poles online, silent and offline."),
    _gauge("roeh_desk_broker_connected", "ingest", "connected",
           "1 while there is a connection to the broker."),
)  # fmt: skip

_WITNESS = (
    _gauge("roeh_witness_ledgers", "witness", "ledgers", "Ledgers that this witness has seen."),
    _counter("roeh_witness_cosigned_total", "witness", "cosigned", "Trees cosigned."),
    _counter("roeh_witness_repeated_total", "witness", "repeated",
             "Cosignatures given once more."),
    _counter("roeh_witness_refused_total", "witness", "refused",
             "Checkpoints that were not cosigned."),
    _gauge("roeh_witness_alarms", "witness", "alarms_{alarm}", "Alarms that stand, by kind."),
    _gauge("roeh_witness_broker_connected", "witness", "connected",
           "1 while there is a connection to the broker."),
)  # fmt: skip

_REPUBLISH = (
    _counter("roeh_republish_messages_total", "republish", "messages",
             "Messages to audiences that the broker took."),
    _counter("roeh_republish_refused_total", "republish", "refused",
             "Messages to audiences that the broker refused for good."),
    _gauge("roeh_republish_broker_connected", "republish", "connected",
           "1 while there is a connection to the broker."),
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    *_EVERY,
    *_CAPTURE,
    *_DETECT,
    *_EVIDENCE,
    *_PUBLISH,
    *_RETRIEVE,
    *_INGEST,
    *_WITNESS,
    *_REPUBLISH,
)
