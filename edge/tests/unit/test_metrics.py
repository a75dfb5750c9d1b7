"""Every metric stands in one table, is written as Prometheus reads it, and stops no process.

    python edge/tests/unit/test_metrics.py

prints the page's table.
"""

import re
from pathlib import Path

import pytest

from roeh.capture.recording import RecordingCounters
from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.metrics import METRICS, MetricKind, MetricsFile, exposition
from roeh.core.metrics.text import unknown
from roeh.core.peers import PROCESSES
from roeh.desk.ingest.main import IngestCounts
from roeh.desk.witness.ledger import Counts
from roeh.publish.standing import Standing
from roeh.vision.stages import StageTimes

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
LABELS = {"site": "haifa", "node": "pole-7"}


def table():
    lines = ["| metric | labels | kind | process | |", "| --- | --- | --- | --- | --- |"]
    for metric in METRICS:
        labels = ", ".join(re.findall(r"\{(\w+)\}", metric.source))
        process = "every" if metric.process == "*" else metric.process
        lines.append(
            f"| `{metric.name}` | {labels} | {metric.kind.value} | {process} | {metric.help} |"
        )
    return "\n".join(lines)


def test_the_page_has_the_table():
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_its_unit_and_whether_it_only_grows(metric):
    base = metric.name.removesuffix("_total")

    assert re.fullmatch(r"roeh_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert metric.help.endswith(".")
    for suffix, unit in (("_s", "_seconds"), ("_us", "_seconds"), ("_bytes", "_bytes")):
        if metric.source.endswith(suffix) and metric.source != "written_utc_s":
            assert base.endswith(unit)


def test_names_and_sources_are_unique():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert len({(metric.process, metric.source) for metric in METRICS}) == len(METRICS)


def test_every_process_of_a_pole_has_metrics_of_its_own():
    shown = {metric.process for metric in METRICS}

    assert {role.value for role in PROCESSES} | {"ingest", "witness", "republish", "*"} == shown


@pytest.mark.parametrize(
    ("process", "counters"),
    [
        ("capture", RecordingCounters(1, 1, 1, 1.0, 1.0, 1).named("north-2")),
        ("detect", StageTimes().counters()),
        ("publish", Standing("broker").due_report(0).counters),
        ("ingest", dict.fromkeys(IngestCounts.__struct_fields__, 0)),
        ("witness", {name: 0 for name in Counts.__struct_fields__ if name != "alarms"}),
    ],
)
def test_what_a_process_counts_is_in_the_table(process, counters):
    assert unknown(process, counters) == []


def test_a_camera_is_a_label_and_microseconds_are_seconds():
    text = exposition("evidence", {"fragment_age_north_us": 1_500_000.0}, LABELS)

    assert text == (
        "# HELP roeh_camera_fragment_age_seconds Since the newest fragment of a camera was made"
        " durable.\n"
        "# TYPE roeh_camera_fragment_age_seconds gauge\n"
        'roeh_camera_fragment_age_seconds{site="haifa",node="pole-7",camera="north"} 1.5\n'
    )


def test_one_counter_of_its_own_is_not_taken_for_one_of_many():
    text = exposition("detect", {"cpu_process_s": 2.0, "cpu_track_s": 1.0}, LABELS)

    assert 'roeh_process_cpu_seconds_total{site="haifa",node="pole-7"} 2\n' in text
    assert 'stage="track"} 1\n' in text
    assert 'stage="process"' not in text


def test_labels_cannot_break_out_of_their_line():
    text = exposition("evidence", {"outbox_rows": 1.0}, {"node": 'a"b\\c\nd'})

    assert 'node="a\\"b\\\\c\\nd"' in text
    assert text.count("\n") == 3


def test_what_is_not_known_is_not_shown():
    assert exposition("evidence", {"nothing_of_ours": 1.0, "temperature_c": float("nan")}, {}) == ""


def file_in(directory, clock):
    return MetricsFile(directory, "publish", LABELS, 15.0, clock)


def test_the_file_is_written_anew_when_it_is_time_and_never_half(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_800_000_000 * NS_PER_S)
    file = file_in(tmp_path, clock)
    assert file.write_if_due("ok", {"delivered": 1.0})
    assert not file.write_if_due("ok", {"delivered": 2.0})
    clock.advance(15)
    assert file.write_if_due("degraded", {"delivered": 3.0})

    text = (tmp_path / "roeh_publish.prom").read_text()
    assert 'roeh_publish_delivered_total{site="haifa",node="pole-7",process="publish"} 3\n' in text
    assert 'process="publish",condition="degraded"} 1\n' in text
    assert 'process="publish",condition="ok"} 0\n' in text
    assert [path.name for path in tmp_path.iterdir()] == ["roeh_publish.prom"]
    assert (tmp_path / "roeh_publish.prom").stat().st_mode & 0o777 == 0o644


def test_a_link_that_another_user_put_there_leads_nowhere(tmp_path):
    evidence = tmp_path / "node.db"
    evidence.write_text("what is on record")
    evidence.chmod(0o600)
    (tmp_path / ".roeh_publish.prom.new").symlink_to(evidence)
    file = file_in(tmp_path, SimulatedClock())
    assert file.write_if_due("ok", {})
    assert (evidence.read_text(), evidence.stat().st_mode & 0o777) == ("what is on record", 0o600)
    assert not file.path.is_symlink()
    assert file.path.stat().st_mode & 0o777 == 0o644


def test_a_directory_that_is_not_there_is_one_line_in_the_log(tmp_path, caplog):
    clock = SimulatedClock()
    file = file_in(tmp_path / "missing", clock)
    for _ in range(5):
        file.write("ok", {})

    assert len(caplog.records) == 1
    assert "metrics.dir" in caplog.text
    (tmp_path / "missing").mkdir()
    file.write("ok", {})
    assert file.path.exists()


if __name__ == "__main__":
    print(table())  # noqa: T201 - what this is for
