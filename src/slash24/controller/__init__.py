"""Node blocks for the whole cluster."""
