"""The control room: what it knows from the poles' messages, and its terminal view."""
