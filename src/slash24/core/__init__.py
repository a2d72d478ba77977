"""Values, and what they mean. Standard library only, no I/O."""
