"""Ingest: what poles say, in the database exactly once, and acknowledged only then."""
