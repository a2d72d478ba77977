"""A lab's server is killed at random moments of its work: the next one finishes the work or takes it back."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from slash24.kernel import process
from slash24.lab import lock
from tests.e2e.labs import LabUnderTest, eventually
from tests.e2e.views import differences

pytestmark = pytest.mark.lab

#: `make crashes N=50` kills more often than the suite does; SEED repeats what a failure has told.
KILLS = int(os.environ.get("CRASHES", "8"))
#: A command's own start, before it asks the lab for anything.
_STARTUP_S = 0.12
SEED = int(os.environ.get("SEED", random.randrange(10**6)))


class Story:
    """A lab to which things happen; `told` is what has happened so far."""

    def __init__(self, lab: LabUnderTest, chance: random.Random) -> None:
        self.lab = lab
        self.chance = chance
        self.told: list[str] = [f"SEED={SEED}"]
        self.lengths: dict[str, float] = {}
        self.pools: dict[str, int] | None = None

    def act(self) -> tuple[str, list[str]]:
        """Choose what is asked of the lab next, as the state that it is in allows."""
        cluster = ["--cluster-name", "c", "-g", "rg"]
        if self.pools is None:
            return "create", ["aks", "create", "-n", "c", "-g", "rg", "--node-count", str(self.chance.randint(1, 3))]
        choices = ["delete", "scale", "scale"] + (["remove pool"] if "more" in self.pools else ["add pool"])
        what = self.chance.choice(choices)
        if what == "delete":
            if self.chance.random() < 0.5:
                return "delete group", ["group", "delete", "-n", "rg", "--yes"]
            return what, ["aks", "delete", "-n", "c", "-g", "rg", "--yes"]
        if what == "scale":
            count = self.chance.choice([n for n in (1, 2, 3) if n != self.pools["nodepool1"]])
            return what, ["aks", "scale", "-n", "c", "-g", "rg", "--node-count", str(count)]
        verb = what.split()[0].replace("remove", "delete")
        return what, [
            "aks",
            "nodepool",
            verb,
            "-n",
            "more",
            *cluster,
            *(["--node-count", "1"] if verb == "add" else []),
        ]

    def run(self, what: str, words: list[str]) -> None:
        began = time.monotonic()
        self.lab.run(*words, "--quiet")
        self.lengths[what] = time.monotonic() - began
        self.told.append(f"{what}: {self.lengths[what]:.2f} s")

    def interrupt(self, what: str, words: list[str]) -> None:
        """Begin what is asked, and kill the server at some moment of it."""
        after_s = self.chance.uniform(_STARTUP_S, self.lengths.get(what, 0.9))
        self.told.append(f"{' '.join(words)}: the server is killed after {after_s:.3f} s")
        asked = self.lab.start(*words, "--quiet")
        time.sleep(after_s)
        self._kill()
        asked.communicate(timeout=60)

    def _kill(self) -> None:
        running = lock.holder(self.lab.paths)
        if running:
            process.end(*running)

    def revive(self) -> None:
        """Start the next server; now and then it is killed as well, while it puts things in order."""
        while self.chance.random() < 0.3:
            after_s = self.chance.uniform(0.1, self.lengths["up"])
            self.told.append(f"the next server is killed after {after_s:.3f} s")
            start = self.lab.start("lab", "up", "--no-cluster", "--quiet")
            time.sleep(after_s)
            self._kill()
            start.communicate(timeout=60)
        running = lock.holder(self.lab.paths)
        if running is None:  # else: it came too late to be killed
            self.run("up", ["lab", "up", "--no-cluster"])
        self.told.append(f"pools: {self.look()}")

    def look(self) -> dict[str, int] | None:
        """Take note of the pools that there are now."""
        clusters = self.lab.json("aks", "list")
        self.pools = None
        if clusters:
            self.pools = {pool["name"]: pool["count"] for pool in clusters[0]["agentPoolProfiles"]}
        return self.pools


def test_after_a_kill_at_any_moment_every_view_of_the_lab_says_the_same(
    new_lab: Callable[..., LabUnderTest],
) -> None:
    lab = new_lab("--no-cluster")
    story = Story(lab, random.Random(SEED))
    story._kill()
    story.run("up", ["lab", "up", "--no-cluster"])
    for _ in range(KILLS):
        story.interrupt(*story.act())
        story.revive()
        assert eventually(lambda: not differences(lab.paths), 12), "\n".join([*story.told, *differences(lab.paths)])
    if story.pools is None:
        story.run(*story.act())
    lab.wait_until_ready()
    assert not differences(lab.paths), story.told


def test_a_zygote_or_a_controller_that_is_killed_is_followed_by_another(new_lab: Callable[..., LabUnderTest]) -> None:
    lab = new_lab("--nodes", "1")
    node = lab.status()["clusters"][0]["nodes"][0]["name"]
    first = lab.first_process(node)

    def kill(part: str) -> None:
        killed = lab.part_of_server(part)
        assert killed
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: lab.part_of_server(part) not in (None, killed))

    kill("control")
    kill("zygote")
    assert eventually(lambda: lab.part_of_server("control")), "a zygote takes the controllers along"
    lab.run("aks", "scale", "-g", "rg-lab", "-n", "lab", "--node-count", "2", "--quiet")
    assert lab.first_process(node) == first
    assert eventually(lambda: not differences(lab.paths)), differences(lab.paths)
