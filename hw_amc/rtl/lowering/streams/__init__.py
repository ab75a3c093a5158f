"""A graph as the stream of vectors that hardware sees: what has no hardware of its own, in operations that have."""
