"""Alarms: what an operator works on, from the alert or the desk's own finding to its close."""
