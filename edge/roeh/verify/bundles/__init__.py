"""Bundles: container, seal, proofs, custody, joined video, time-stamps."""
