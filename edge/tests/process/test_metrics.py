"""What a running node, a witness and a desk show is what Prometheus reads."""

import contextlib
import subprocess

import pytest

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK
from roeh.core.metrics import desk_metrics
from roeh.desk.ingest.main import IngestCounts
from roeh.desk.ingest.showing import IngestMetrics
from roeh.desk.store import open_desk_store
from tests.apt import require_packages
from tests.desks import desk_in
from tests.process.brokers import PATIENCE_S, running_broker
from tests.process.publishing_node import running_node
from tests.waiting import wait_until

CLOCK = SystemClock()
METRICS = '[metrics]\ndir = "{directory}/metrics"\ninterval_s = 1.0\n'


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "metrics").mkdir()
    return tmp_path


def shown(directory, process, line):
    """The file of a process once it has such a line."""
    path = directory / "metrics" / f"roeh_{process}.prom"
    return wait_until(
        lambda: path.exists() and line in (text := path.read_text()) and text, PATIENCE_S
    )


def check(text):
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (EXIT_OK, "")


@pytest.mark.apt("mosquitto")
@pytest.mark.apt("prometheus")
def test_a_running_node_shows_its_alerts_its_outbox_and_its_link(directory):
    require_packages("prometheus")
    with (
        running_broker("mosquitto") as broker,
        running_node(directory, broker.port, METRICS.format(directory=directory)) as node,
    ):
        for _ in range(3):
            node.store()
        ours = 'site="harbour",node="pole",process='
        evidence = shown(directory, "evidence", f'roeh_alerts_stored_total{{{ours}"evidence"}} 3\n')
        publish = shown(
            directory, "publish", f'roeh_publish_connections_total{{{ours}"publish"}} 1\n'
        )

    check(evidence)
    check(publish)
    assert f'roeh_node_reported_condition{{{ours}"evidence",reporter="publish"' in evidence
    for name in (
        "roeh_clock_synchronised",
        "roeh_certificate_remaining_seconds",
        "roeh_evidence_free_bytes",
    ):
        assert f"\n{name}{{" in evidence


def test_ingest_shows_what_is_missing_and_who_is_silent(directory):
    desk = desk_in(directory, METRICS.format(directory=directory))
    with contextlib.closing(open_desk_store(desk)) as store:
        with store.writing() as transaction:
            transaction.execute(
                "INSERT INTO seq_missing (site, node, first, last, t_since_utc_us)"
                " VALUES ('haifa', 'pole-7', 4, 6, 1)"
            )
        metrics = IngestMetrics(desk_metrics(desk, "ingest", CLOCK), store, CLOCK)
        metrics.write_if_due(IngestCounts(messages=7, commit_s=0.25), is_connected=True)
    text = shown(directory, "ingest", "roeh_desk_missing_alerts{")

    assert 'roeh_desk_missing_alerts{site="desk",node="haifa",process="ingest"} 3\n' in text
    assert (
        'roeh_desk_commit_seconds_total{site="desk",node="haifa",process="ingest"} 0.25\n' in text
    )
    assert 'process="ingest",link="silent"} 0\n' in text


@pytest.mark.apt("mosquitto")
def test_metrics_that_cannot_be_written_stop_nothing(directory):
    config = METRICS.format(directory=directory / "nowhere")
    with (
        running_broker("mosquitto") as broker,
        running_node(directory, broker.port, config) as node,
    ):
        node.store()
        assert node.wait_for_status(lambda status: status.alerts_stored == 1)
        assert node.wait_for_report(lambda report: report.state != "starting")
