"""The bundle: what an export is, how it is written and read, and what people read of it."""
