"""Whether a definition can be run: every fault that would strand a case, send nothing, or say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from workflow.definition import Definition


def check(definition: Definition, templates: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """Every fault, as a sentence; none means sound. `templates` are the (letter, language) pairs there are."""
    return (
        *_names(definition),
        *_doubles(definition),
        *_reachability(definition),
        *_forward(definition),
        *_letters(definition, frozenset(templates)),
        *_messages(definition),
    )


def _names(definition: Definition) -> Iterator[str]:
    known = set(definition.by_name)
    if len(known) < len(definition.states):
        yield "two states have the same name"
    if definition.initial not in known:
        yield f"the initial state '{definition.initial}' does not exist"
    for move in definition.moves:
        for name in (*move.sources, move.target):
            if name not in known:
                yield f"move '{move.trigger}' names state '{name}', which does not exist"
            elif name in move.sources and definition.state(name).final:
                yield f"move '{move.trigger}' leaves '{name}', which is final"
        for sheet in move.requires:
            if sheet not in definition.domain.sheets:
                yield f"move '{move.trigger}' requires sheet '{sheet}', which does not exist"


def _doubles(definition: Definition) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for move in definition.moves:
        for source in move.sources:
            if (source, move.trigger) in seen:
                yield f"two moves for trigger '{move.trigger}' from '{source}'"
            seen.add((source, move.trigger))


def _reachability(definition: Definition) -> Iterator[str]:
    reached = _closure(definition, {definition.initial})
    for state in definition.states:
        if state.name not in reached:
            yield f"state '{state.name}' cannot be reached from '{definition.initial}'"
    for end in (state.name for state in definition.states if state.final):
        for state in definition.states:
            if not state.final and end not in _closure(definition, {state.name}):
                yield f"dead end: from '{state.name}' the case can never become '{end}'"


def _closure(definition: Definition, start: set[str]) -> set[str]:
    reached, fresh = set(start), set(start)
    while fresh:
        fresh = {move.target for move in definition.moves if fresh & set(move.sources)} - reached
        reached |= fresh
    return reached


def _forward(definition: Definition) -> Iterator[str]:
    for state in definition.states:
        count = sum(move.forward for move in definition.moves_from(state.name))
        if not state.final and count != 1:
            yield f"state '{state.name}' has {count} forward moves; `advance` without a trigger needs exactly one"


def _letters(definition: Definition, templates: frozenset[tuple[str, str]]) -> Iterator[str]:
    for to in definition.letters():
        languages = definition.domain.languages.get(to.role)
        if languages is None:
            yield f"letter '{to.letter}' goes to role '{to.role}', which does not exist"
        for language in languages or ():
            if (to.letter, language) not in templates:
                yield f"letter '{to.letter}' to {to.role} has no template in language '{language}'"
    moved = {to.letter for move in definition.moves for to in move.letters}
    for letter in definition.counted:
        if letter not in moved:
            yield f"letter '{letter}' is counted, but no move sends it"


def _messages(definition: Definition) -> Iterator[str]:
    for language, messages in definition.domain.messages.items():
        for code in definition.domain.codes:
            if not messages.get(code, "").strip():
                yield f"code {code} has no message in language '{language}'"
