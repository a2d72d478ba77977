"""The Kubernetes API as agents and controllers use it."""
