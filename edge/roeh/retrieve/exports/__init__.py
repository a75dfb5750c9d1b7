"""Approved exports become bundles that wait to be fetched."""
