"""Files of frames: one reader a format."""
