"""Cameras behind GStreamer, such as a Jetson's."""
