"""The version, by itself: the package's own names bring modules along that need it."""

__version__ = "0.2.0"
