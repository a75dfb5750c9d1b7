"""The picture in which a wrong calibration shows at a glance."""
