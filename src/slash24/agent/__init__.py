"""The node agent: keeps a node's overlay in step with the cluster and answers the plugin."""
