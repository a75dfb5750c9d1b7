"""The page names every word that a program may find in a report, and no others."""

import ast
import re
from pathlib import Path

import roeh

SOURCES = Path(roeh.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "verify.md"
#: Words with an underscore that say something else than what was found.
OTHERS = {
    *("not_checked", "valid_with_missing", "no_complete_gop", "not_valid", "not_validated"),
    *("store_true", "export_id"),
}


def words_in(path):
    tree = ast.parse(path.read_text())
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", text)}


def test_the_words_are_those_of_the_page():
    modules = [*(SOURCES / "verify").rglob("*.py"), *(SOURCES / "custody").glob("*check.py")]
    found = set().union(*(words_in(path) for path in modules)) - OTHERS
    table = re.search(r"\| about \| words \|.*?\n\n", DOCS.read_text(), re.DOTALL)
    assert table is not None
    named = set(re.findall(r"`([a-z0-9_]+)`", table[0]))
    assert found - named == set()
    assert {word for word in named if "_" in word} - found == set()
