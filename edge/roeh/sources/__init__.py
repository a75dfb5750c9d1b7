"""Where pictures come from: cameras, files, re-projected footage and drawn scenes."""
