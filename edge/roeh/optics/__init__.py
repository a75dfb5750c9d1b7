"""Lens models, the rig, virtual tiles, and pixels to metres on the ground and back."""
