"""Faults put into a lab on purpose, to be found and repaired; and the look that tells whether a lab is whole."""
