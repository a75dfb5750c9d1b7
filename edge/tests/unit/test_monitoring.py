"""Alert rules and dashboard speak of metrics that there are, and each rule is tested."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from roeh.core.metrics import METRICS, exposition
from tests.apt import require_packages

ROOT = Path(__file__).parents[3]
FILES = ROOT / "deploy" / "ansible" / "roles" / "monitoring" / "files"
RULES = (FILES / "roeh-alerts.yml").read_text()
TESTS = (FILES / "roeh-alerts.test.yml").read_text()
PAGE = (ROOT / "edge" / "docs" / "metrics.md").read_text()
NAMES = {metric.name for metric in METRICS}
RULE_NAMES = re.findall(r"- alert: (\w+)", RULES)
#: Labels that every line has, and those that Prometheus' functions need.
COMMON_LABELS = {"site", "node", "process"}


def labels_of(name):
    metric = next(metric for metric in METRICS if metric.name == name)
    return COMMON_LABELS | set(re.findall(r"\{(\w+)\}", metric.source))


def expressions():
    yield from re.findall(r"expr: >-\n\s+(.+)", RULES)
    dashboard = json.loads((FILES / "roeh-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((.+), \w+\)", r"\1", variable["query"])


def test_there_is_something_to_look_at():
    assert len(list(expressions())) > 35
    assert len(RULE_NAMES) == 16


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_speaks_of_metrics_and_labels_of_the_table(expression):
    used = re.findall(r"(roeh_\w+)(?:\{([^}]*)\})?", expression)

    assert used
    for name, selector in used:
        assert name in NAMES
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= labels_of(name)


def test_what_only_grows_is_only_looked_at_as_a_rate():
    for expression in expressions():
        for name in re.findall(r"roeh_\w+_total", expression):
            assert re.search(rf"(rate|increase)\({name}", expression)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_a_rule_is_tested_both_ways_and_on_the_page(name):
    cases = re.findall(rf"alertname: {name}\n\s+exp_alerts:(.*)", TESTS)

    assert "" in cases
    assert " []" in cases
    assert f"| `{name}` |" in PAGE


@pytest.mark.apt("prometheus")
@pytest.mark.parametrize(
    "command", [("check", "rules", "roeh-alerts.yml"), ("test", "rules", "roeh-alerts.test.yml")]
)
def test_promtool_agrees(command):
    require_packages("prometheus")
    done = subprocess.run(
        ["promtool", *command], cwd=FILES, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.apt("prometheus")
@pytest.mark.parametrize("process", sorted({metric.process for metric in METRICS} - {"*"}))
def test_prometheus_reads_every_metric_of_a_process(process):
    require_packages("prometheus")
    rows = [metric for metric in METRICS if metric.process in ("*", process)]
    counters = {re.sub(r"\{\w+\}", "north-2", metric.source): 1.5 for metric in rows}
    text = exposition(process, counters, {"site": "haifa", "node": "pole-7"})
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert text.count("# TYPE") == len(rows)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
