"""A definition as a picture (Mermaid), for the README and for people who ask."""

from __future__ import annotations

from workflow.definition import Definition


def mermaid(definition: Definition) -> str:
    """A Mermaid state diagram; the way forward is drawn first."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {definition.initial}"]
    for move in sorted(definition.moves, key=lambda move: not move.forward):
        lines += [f"    {source} --> {move.target}: {move.trigger}" for source in move.sources]
    lines += [f"    {state.name} --> [*]" for state in definition.states if state.final]
    return "\n".join(lines) + "\n"
