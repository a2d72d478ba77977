"""The kubeconfig that the lab hands out for a cluster."""

import base64
from typing import Any

import yaml


def kubeconfig(name: str, *, server: str, token: str, ca_pem: str) -> str:
    """Return a kubeconfig, YAML, for the administrator of the cluster `name` at the URL `server`."""
    user = f"clusterAdmin_{name}"
    authority = base64.b64encode(ca_pem.encode()).decode()
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)
