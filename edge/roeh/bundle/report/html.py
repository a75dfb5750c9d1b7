"""A report as one HTML file: its style inside it, nothing from elsewhere but `stills/`.

It runs no script and asks for none. Every text is escaped (jinja2's autoescape).
"""

from __future__ import annotations

import functools

import jinja2

from roeh.bundle.report.page import Block, Report, Shape


def as_html(report: Report) -> str:
    """The whole file, to be written as UTF-8."""
    return _template().render(report=report)


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("roeh.bundle.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = _kind
    return environment.get_template("report.html")


def _kind(block: Block | Shape) -> str:
    return str(block.__struct_config__.tag)
