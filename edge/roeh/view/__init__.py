"""`roeh view`: a picture for people out of a camera, a picture file or a recorded segment."""
