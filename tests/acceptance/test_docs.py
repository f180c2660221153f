"""What README.md says of the code is what the code says of itself."""

from __future__ import annotations

from readme import README, filled


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    said = README.read_text("utf-8")

    assert said == filled(said), "run: .venv/bin/python tests/support/readme.py"
