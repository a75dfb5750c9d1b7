"""What others made: every package is known, under a licence that we take."""

import importlib.util
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


def load_third_party():
    path = REPOSITORY / "requirements" / "third_party.py"
    spec = importlib.util.spec_from_file_location("third_party", path)
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    sys.modules["third_party"] = module
    spec.loader.exec_module(module)
    return module


third_party = load_third_party()


def test_the_page_is_what_the_locks_say():
    assert third_party.page(third_party.dependencies()) == third_party.PAGE.read_text()


def test_every_licence_is_on_the_list_and_what_the_package_says():
    assert list(third_party.disagreements(third_party.dependencies())) == []


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-2.0-or-later", False),
        ("LGPL-2.1-or-later", True),
        ("EUPL-1.2 AND MIT", False),
        ("", False),
        ("Proprietary", False),
    ],
)
def test_a_licence_is_taken_only_when_all_of_it_is_on_the_list(expression, taken):
    assert third_party.allowed(expression) is taken
