"""Fills the generated parts of README.md from the code; run it after a change: python tests/support/readme.py"""

from __future__ import annotations

import re
from pathlib import Path

from scripts.cli import COMMANDS
from states import EMPLOYER_COUPLING
from workflow.definition import Definition, LetterTo
from workflow.diagram import mermaid

README = Path(__file__).resolve().parents[2] / "README.md"


def filled(text: str) -> str:
    """The text with every generated part as the code says it now."""
    for name, made in (("commands", _commands()), ("workflow", _workflow())):
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), f"README.md has no part called {name}"
        text = pattern.sub(lambda found, made=made: f"{found[1]}{made}{found[2]}", text)
    return text


def _commands() -> str:
    rows = "".join(f"| `{name}` | {entry.short} |\n" for name, entry in COMMANDS.items())
    return f"| command | |\n|---|---|\n{rows}"


def _workflow() -> str:
    return f"```mermaid\n{mermaid(EMPLOYER_COUPLING)}```\n\n{moves_table(EMPLOYER_COUPLING)}"


def moves_table(definition: Definition) -> str:
    """The table of moves in Markdown."""
    lines = ["| trigger | from | to | letters |", "|---|---|---|---|"]
    for move in definition.moves:
        sources = ", ".join(f"`{source}`" for source in move.sources)
        lines.append(f"| `{move.trigger}` | {sources} | `{move.target}` | {_letters(move.letters)} |")
    return "\n".join(lines) + "\n"


def _letters(letters: tuple[LetterTo, ...]) -> str:
    return "; ".join(f"{to.letter} → {to.role}{_once(to)}" for to in letters) or "–"


def _once(to: LetterTo) -> str:
    return f" (after {to.after})" if to.after else ""


if __name__ == "__main__":
    README.write_text(filled(README.read_text("utf-8")), "utf-8")
