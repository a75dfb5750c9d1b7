"""The local web page of a pole: what police and approvers use beside it, with a phone."""

from roeh.retrieve.pages.routes import add_pages

__all__ = ["add_pages"]
