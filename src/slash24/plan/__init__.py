"""The rulebook: one dated rule a function. Pure."""
