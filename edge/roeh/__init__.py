"""Roeh, the seeing pole: 360 degree detection, located alerts, tamper-evident evidence."""

__version__ = "0.1.0"
