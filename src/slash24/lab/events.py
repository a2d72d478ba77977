"""Events that the lab's own controllers record of Kubernetes objects."""

import logging
import secrets

from slash24.errors import Slash24Error
from slash24.store.objects import AlreadyExistsError, ClusterObjects, Object, now

log = logging.getLogger(__name__)


def record(objects: ClusterObjects, component: str, item: Object, kind: str, reason: str, message: str) -> None:
    """Record an event of `item`, a Pod or a Node. kind: Normal or Warning."""
    metadata, stamp = item["metadata"], now()
    namespace = metadata.get("namespace", "default")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": namespace},
        "involvedObject": {
            "kind": item["kind"], "apiVersion": "v1", "namespace": metadata.get("namespace", ""),
            "name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
        },
        "type": kind, "reason": reason, "message": message[:1024], "count": 1,
        "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
        "firstTimestamp": stamp, "lastTimestamp": stamp, "eventTime": None,
    }  # fmt: skip
    try:
        objects.create("events", event)
    except AlreadyExistsError:
        return
    except Slash24Error as error:
        log.warning("%s: event %s was refused: %s", component, reason, error)
