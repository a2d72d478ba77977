"""An AKS-shaped lab on one Linux machine: fabric, nodes, API servers."""
