"""A stand-in with a kubelet's manners: runs the pods that are bound to its node."""
