"""Exports by disk: a signed order at a fixed place, and the bundle that answers it.

The layout and what is done in which order: edge/design/usb.md.
"""
