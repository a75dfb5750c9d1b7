"""The bundle of an export: its layout, its bytes, what is read for it, and its encryption."""
