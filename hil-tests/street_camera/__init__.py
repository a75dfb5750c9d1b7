"""A network camera that shows a drawn street, to be plugged in and unplugged.

`footage` draws and encodes a minute of people once; `server` sends it over RTSP for ever;
`python -m street_camera plug` and `unplug` start and end that in the network namespace in
which they are given.
"""
