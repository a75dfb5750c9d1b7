"""A lens from views of a board."""
