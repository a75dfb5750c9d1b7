"""Signed releases: made, carried in bundles, installed, tried, confirmed, returned from."""
