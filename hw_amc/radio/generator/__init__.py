"""Generated frames: waveforms, channels, recipes, whole sets, and the limit that noise sets."""
