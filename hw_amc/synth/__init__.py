"""Synthesis, place and route, and logic-only timing with open tools."""
