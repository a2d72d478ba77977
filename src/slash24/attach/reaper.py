"""Deletion of links off the request's path: the kernel answers it only after an RCU barrier of 16 to 64 ms.

The link itself is gone after half a millisecond, which a `Monitor` of links tells.
"""

import errno
import logging
import queue
import threading

from slash24.errors import Slash24Error
from slash24.kernel.netlink import Netlink, delete_link, delete_link_group, set_link

log = logging.getLogger(__name__)

_GROUP_BASE = 0x24000000


class Reaper:
    """Deletes links by index, in threads that are started when they are needed, up to `limit`."""

    def __init__(self, limit: int = 32) -> None:
        self._jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._limit = limit
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()

    def reap(self, index: int) -> None:
        """Have the link with this index deleted soon; whether it is done the caller sees from its monitor."""
        self._jobs.put(index)
        with self._lock:
            if self._idle == 0 and self._threads < self._limit:
                self._threads += 1
                threading.Thread(target=self._run, args=(self._threads,), daemon=True, name="reaper").start()

    def _run(self, number: int) -> None:
        with Netlink() as netlink:
            while True:
                with self._lock:
                    self._idle += 1
                indexes = [self._jobs.get()]
                with self._lock:
                    self._idle -= 1
                while not self._jobs.empty():
                    try:
                        indexes.append(self._jobs.get_nowait())
                    except queue.Empty:
                        break
                self._delete(netlink, indexes, _GROUP_BASE + number)

    @staticmethod
    def _delete(netlink: Netlink, indexes: list[int], group: int) -> None:
        gone = {errno.ENODEV}
        try:
            if len(indexes) == 1:
                netlink.send(delete_link(indexes[0]), ignore=gone)
                return
            # All of a group go with one message and one barrier: 100 links in 50 ms instead of 2,300.
            netlink.send(*(set_link(index, group=group) for index in indexes), ignore=gone)
            netlink.send(delete_link_group(group), ignore=gone)
        except Slash24Error as error:
            log.warning("links %s could not be deleted: %s", indexes, error)
