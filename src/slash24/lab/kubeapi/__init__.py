"""An embedded Kubernetes API server: the subset that kubectl and slash24 need."""
