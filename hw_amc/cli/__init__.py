"""The command line: options and output."""
