"""Hand-over between processes: acknowledged streams and frame slots, over unix sockets."""
