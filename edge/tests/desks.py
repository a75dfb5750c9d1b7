"""Desks for tests: configured, with keys, and what poles say to them."""

from roeh.core.config import parse_desk_config
from roeh.desk.keys import make_desk_keys

DESK = """
name = "haifa"
{more}
[paths]
data_dir = "{directory}/desk"
[witness]
state_dir = "{directory}/witness"
"""


def desk_in(directory, more=""):
    """A desk that lives in `directory`; `more` is TOML of other tables."""
    # Tables end where the next begins: what has no table stays first.
    head, tables = ("", more) if more.lstrip().startswith("[") else (more, "")
    text = DESK.format(directory=directory, more=head) + tables
    return parse_desk_config(text, name="desk.toml")


def desk_with_keys(directory, more=""):
    """The same, and its keys are made."""
    config = desk_in(directory, more)
    make_desk_keys(config)
    return config
