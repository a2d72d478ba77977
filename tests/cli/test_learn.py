"""`slash24 learn`: the list, a lesson, and the page that is made of them."""

import os
from pathlib import Path

import pytest

from slash24.cli.learn import lessons, page
from tests.cli.conftest import Run
from tests.docs.console import steps

PAGE = Path(__file__).parents[2] / "docs/learn.md"


def test_the_page_is_made_of_the_lessons() -> None:
    """docs/learn.md is written by `make golden`; a test of the documents types its commands."""
    if os.environ.get("GOLDEN") == "rewrite":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run make golden and review the difference"


def test_lessons_are_numbered_in_their_order_and_each_has_something_to_type() -> None:
    assert [lesson.number for lesson in lessons()] == list(range(1, len(lessons()) + 1))
    assert all(steps(lesson.text) for lesson in lessons())


def test_a_lesson_shows_its_commands_and_what_a_lab_is_begun_with(run: Run) -> None:
    shown = run("learn", "2")
    assert (shown.code, shown.out.splitlines()[0]) == (0, f"Lesson 2: {lessons()[1].title}")
    assert "    $ slash24 lab shell $A -- bridge fdb show dev s24vx" in shown.out.splitlines()
    assert "```" not in shown.out
    assert "no lab runs yet" in shown.err


@pytest.mark.usefixtures("lab")
def test_with_a_lab_nothing_is_said_of_its_beginning(run: Run) -> None:
    assert run("learn", "1").err == ""


def test_a_lesson_that_is_not_there_is_not_found(run: Run) -> None:
    refused = run("learn", "7")
    assert (refused.code, refused.out) == (3, "")
    assert "there is no lesson" in refused.err


def test_the_list_is_data_too(run: Run) -> None:
    assert run("learn", "list", "-o", "tsv", "--query", "[].number").out.split() == ["1", "2", "3", "4", "5", "6"]
