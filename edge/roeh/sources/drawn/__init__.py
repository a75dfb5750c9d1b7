"""Pictures that no camera took: footage re-projected, scenes drawn with their truth."""
