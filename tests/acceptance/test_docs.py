"""What README.md says of the code is what the code says of itself; what the documents name is there."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from readme import README, filled

from notifications import outcomes, patience
from scripts.cli import cli
from scripts.settings import unknown_variables

ROOT = README.parent
TEXTS = (README, *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").iterdir())
OF_TESTS = {"SCHAKEL_LONG", "SCHAKEL_MUTANT_FILES", "SCHAKEL_MUTANT_SECONDS"}


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    said = README.read_text("utf-8")

    assert said == filled(said), "run: .venv/bin/python tests/support/readme.py"


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_variable_that_is_named_means_something(text: Path) -> None:
    named = set(re.findall(r"\bSCHAKEL_[A-Z_]+\b", text.read_text("utf-8")))

    assert not unknown_variables(dict.fromkeys(named - OF_TESTS, "x"))


def test_what_the_readme_imports_is_there() -> None:
    (sample,) = re.findall(r"schakel import (\w\S+)", README.read_text("utf-8"))

    assert (ROOT / sample).is_file()


@pytest.mark.parametrize("group", ["audit", "loket", "mail", "workflow"])
def test_the_list_of_commands_is_cut_nowhere(group: str) -> None:
    said = CliRunner().invoke(cli, [group, "--help"]).output

    assert not [line for line in said.splitlines()[1:] if line.endswith("...")]


def test_the_chapters_that_messages_send_people_to_are_there() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "scripts").rglob("*.py")]
    named = {found for text in texts for found in re.findall(r"(docs/\w+\.md), '([^']+)'", text)}

    assert len(named) >= 3
    for document, chapter in named:
        assert f"\n## {chapter}\n" in (ROOT / document).read_text("utf-8"), chapter


def test_operations_says_how_long_mail_waits_as_the_program_does() -> None:
    said = " ".join((ROOT / "docs" / "operations.md").read_text("utf-8").split())
    waits = [
        (patience.FIRST_WAIT, {"seconds": 10}, "tries it again after ten seconds"),
        (patience.LONGEST_WAIT, {"minutes": 5}, "every five minutes at last"),
        (patience.FIRST_AFTER_LOGIN, {"minutes": 5}, "after a refused password: five minutes to"),
        (patience.LONGEST_AFTER_LOGIN, {"hours": 1}, "five minutes to an hour"),
        (outcomes.FIRST_RETRY, {"minutes": 5}, "puts off is tried after five minutes"),
        (outcomes.LONGEST_WAIT, {"hours": 3}, "every three hours at last"),
        (outcomes.GIVE_UP, {"days": 5}, "has failed after five days"),
    ]

    assert [told for wait, amount, told in waits if wait != timedelta(**amount) or told not in said] == []
