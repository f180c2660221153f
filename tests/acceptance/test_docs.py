"""What README.md says of the code is what the code says of itself."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from readme import README, filled

from scripts.cli import cli


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    said = README.read_text("utf-8")

    assert said == filled(said), "run: .venv/bin/python tests/support/readme.py"


@pytest.mark.parametrize("group", ["audit", "loket", "mail", "workflow"])
def test_the_list_of_commands_is_cut_nowhere(group: str) -> None:
    said = CliRunner().invoke(cli, [group, "--help"]).output

    assert not [line for line in said.splitlines()[1:] if line.endswith("...")]
