"""The autoscaler: its decisions, and its loop over a real store."""
