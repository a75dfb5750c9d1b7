"""The bytes of recorded video: NAL units, MP4 boxes, and the signature in the stream.

Pure functions on the standard library, without a codec, keys or files, so that the pole
that writes and the verifier that doubts it read the same bytes the same way.
"""
