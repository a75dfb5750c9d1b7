"""What is not known of a package is never told as if nothing were wrong with it."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "requirements" / "audit.py"


@pytest.fixture(scope="module")
def told():
    spec = importlib.util.spec_from_file_location("advisories_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.told


def asked(name, *ids):
    return {"name": name, "version": "1.0", "vulns": [{"id": one} for one in ids]}


def passed_over(name):
    return {"name": name, "skip_reason": "not found"}


def test_an_index_that_knows_no_package_has_not_checked_any(told):
    assert told([passed_over("a"), passed_over("b")]).startswith("NOT CHECKED")
    assert told([]).startswith("NOT CHECKED")


def test_advisories_are_named_and_packages_passed_over_are_counted(told):
    answer = told([asked("a", "PYSEC-1", "PYSEC-2"), asked("b"), passed_over("c")])
    assert answer == "a 1.0: PYSEC-1; a 1.0: PYSEC-2 of 2 packages, 1 NOT CHECKED"
    assert told([asked("a")]) == "nothing known of 1 packages"
