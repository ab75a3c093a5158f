"""hw_amc: FPGA accelerators for automatic modulation classification, equal to Keras in every bit."""

__version__ = "0.2.0"
