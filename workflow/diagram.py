"""A definition as a picture (Mermaid) and as a table (Markdown), for the README and for people who ask."""

from __future__ import annotations

from workflow.definition import Definition, LetterTo


def mermaid(definition: Definition) -> str:
    """A Mermaid state diagram; the way forward is drawn first."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {definition.initial}"]
    for move in sorted(definition.moves, key=lambda move: not move.forward):
        lines += [f"    {source} --> {move.target}: {move.trigger}" for source in move.sources]
    lines += [f"    {state.name} --> [*]" for state in definition.states if state.final]
    return "\n".join(lines) + "\n"


def moves_table(definition: Definition) -> str:
    """The table of moves in Markdown."""
    lines = ["| trigger | from | to | letters |", "|---|---|---|---|"]
    for move in definition.moves:
        sources = ", ".join(f"`{source}`" for source in move.sources)
        lines.append(f"| `{move.trigger}` | {sources} | `{move.target}` | {_letters(move.letters)} |")
    return "\n".join(lines) + "\n"


def _letters(letters: tuple[LetterTo, ...]) -> str:
    return "; ".join(f"{to.letter} → {to.role}" for to in letters) or "–"
