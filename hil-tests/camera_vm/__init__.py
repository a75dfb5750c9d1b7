"""`make camera-vm`: the real picamera2 on libcamera's virtual camera, in a Debian 13 machine."""
