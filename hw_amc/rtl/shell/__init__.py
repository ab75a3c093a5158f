"""The shell around every core: registers, framing, results, lanes."""
