"""Rules over tracks, in metres and seconds: what deserves an alert."""

from roeh.vision.rules.engine import RuleEngine
from roeh.vision.rules.finding import Finding, Subject
from roeh.vision.rules.operations import Operations, OrderedOperation
from roeh.vision.rules.schedule import OrderedSchedule

__all__ = [
    "Finding",
    "Operations",
    "OrderedOperation",
    "OrderedSchedule",
    "RuleEngine",
    "Subject",
]
