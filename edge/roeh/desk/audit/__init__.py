"""The audit: who looked at, changed or took what, appended for ever and provable."""
