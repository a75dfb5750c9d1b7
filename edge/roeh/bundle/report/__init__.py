"""The report of an export, for people: gathered, put into words, and written as HTML.

No codec and no network is needed. The PDF of the same page is drawn in a sandboxed child
(`Renderer.report` in bundle/rendering.py).
"""

from roeh.bundle.report.digest import Digest, DigestMaker, ReportFacts, Still
from roeh.bundle.report.html import as_html
from roeh.bundle.report.page import Language, Report
from roeh.bundle.report.wording import worded

__all__ = [
    "Digest",
    "DigestMaker",
    "Language",
    "Report",
    "ReportFacts",
    "Still",
    "as_html",
    "worded",
]
