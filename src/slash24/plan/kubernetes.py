"""Versions of Kubernetes, compared by their minor number."""

import re

from slash24.plan.finding import UnknownFact, known
from slash24.plan.request import ClusterRequest

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")


def older_than(request: ClusterRequest, minor: int) -> bool:
    """Return whether the cluster's Kubernetes is older than 1.`minor`.

    Raises UnknownFact if no version is named: AKS' default moves on.
    """
    text = known(request.kubernetes_version, "the Kubernetes version")
    found = _VERSION.fullmatch(text)
    if found is None:
        raise UnknownFact("the Kubernetes version")
    return (int(found[1]), int(found[2])) < (1, minor)
