"""Equality of back ends, the Keras reference, and the held-out frames that proofs run on."""
