"""Simulation of the accelerator's Verilog against the integers of the golden interpreter."""
