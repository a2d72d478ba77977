"""State on disk: leases of a node, objects and resources of a lab."""
