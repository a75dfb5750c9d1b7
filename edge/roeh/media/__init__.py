"""Pictures: frames with their pixels, decoding, thumbnails."""
