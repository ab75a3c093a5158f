"""Compression: magnitude pruning, batch-norm folding, choice of fixed-point formats."""
