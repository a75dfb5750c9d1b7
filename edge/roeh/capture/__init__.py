"""The process that owns the cameras: reads them and offers frames to detection."""
