"""The cluster autoscaler of a lab's clusters: what the pods ask for, what the nodes are good for, and the loop."""
