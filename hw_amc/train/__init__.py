"""Training: the recipe's stages, the fast GRU kernel, checkpoints, evaluation."""
