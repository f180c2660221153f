"""Whether a definition can be run: every fault that would strand a case, send nothing, or say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from workflow.definition import Definition, Rung
from workflow.events import Kind
from workflow.facts import Validator


def check(
    definition: Definition, templates: Collection[tuple[str, str]], *, ends: Collection[str] = ()
) -> tuple[str, ...]:
    """Every fault, as a sentence; none means sound. `templates` are the (letter, language) pairs there are.

    Each state must be able to come to some final state, and to each of `ends`.
    """
    return (
        *_names(definition),
        *_doubles(definition),
        *_validators(definition),
        *_reachability(definition, ends),
        *_forward(definition),
        *_ladders(definition),
        *_fields(definition),
        *_lapses(definition),
        *_letters(definition, frozenset(templates)),
        *_messages(definition),
    )


def _names(definition: Definition) -> Iterator[str]:
    known = set(definition.by_name)
    if len(known) < len(definition.states):
        yield "two states have the same name"
    if definition.initial not in known:
        yield f"the initial state '{definition.initial}' does not exist"
    elif definition.state(definition.initial).final:
        yield f"the initial state '{definition.initial}' is final"
    for state in definition.by_name.values():
        if state.holder is not None and state.holder not in definition.domain.languages:
            yield f"state '{state.name}' is held by role '{state.holder}', which does not exist"
    for move in definition.moves:
        if not move.sources:
            yield f"move '{move.trigger}' leaves no state"
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


def _validators(definition: Definition) -> Iterator[str]:
    """The digest of a definition tells validators by their names."""
    known: dict[str, Validator] = {}
    first_use = {validator: move.trigger for move in reversed(definition.moves) for validator in move.validators}
    for validator, trigger in first_use.items():
        name = getattr(validator, "__name__", "")
        if not name.isidentifier():
            yield f"a validator of move '{trigger}' has no name: write it as a function"
        elif known.setdefault(name, validator) is not validator:
            yield f"two validators are called '{name}', so that no digest tells one from the other"


def _reachability(definition: Definition, ends: Collection[str]) -> Iterator[str]:
    reached = _closure(definition, {definition.initial})
    final = {state.name for state in definition.states if state.final}
    if not final:
        yield "no state is final, so that no case ever ends"
    for state in definition.states:
        if state.name not in reached:
            yield f"state '{state.name}' cannot be reached from '{definition.initial}'"
        if state.final:
            continue
        later = _closure(definition, {state.name})
        if final and not final & later:
            yield f"dead end: from '{state.name}' the case can never end"
        for end in ends:
            if end not in later:
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


def _ladders(definition: Definition) -> Iterator[str]:
    for state in definition.states:
        for rung in state.ladder:
            yield from (f"reminder '{rung.name}' of '{state.name}' {fault}" for fault in _rung(definition, rung))
        if len({rung.anchor for rung in state.ladder}) > 1:  # one whose day is unknown would hold up all after it
            yield f"the reminders of '{state.name}' do not all count from the same day"


def _rung(definition: Definition, rung: Rung) -> Iterator[str]:
    if rung.kind not in (Kind.REMINDED, Kind.ESCALATED):
        yield f"is of kind '{rung.kind}'; there are: {Kind.REMINDED}, {Kind.ESCALATED}"
    if rung.after < 0:
        yield f"is due {rung.after} working days after, which is before"
    if rung.anchor is not None and not _is_field(definition, rung.anchor):
        yield f"counts from field '{rung.anchor}', which does not exist"


def _fields(definition: Definition) -> Iterator[str]:
    for state in definition.states:
        for path in state.amendable:
            if not _is_field(definition, path):
                yield f"state '{state.name}' lets field '{path}' change, which does not exist"
    for notice in definition.notices:
        if not notice.letters:
            yield f"the notice about '{notice.field}' sends no letter"
        if not _is_field(definition, notice.field):
            yield f"a notice follows field '{notice.field}', which does not exist"
        for name in notice.states:
            if name not in definition.by_name:
                yield f"the notice about '{notice.field}' names state '{name}', which does not exist"


def _lapses(definition: Definition) -> Iterator[str]:
    for lapse in definition.lapses:
        for path in (lapse.field, *lapse.ends):
            if not _is_field(definition, path):
                yield f"what lapses with '{lapse.field}' names field '{path}', which does not exist"


def _is_field(definition: Definition, path: str) -> bool:
    sheet, _, name = path.partition(".")
    return name in definition.domain.sheets.get(sheet, ())


def _letters(definition: Definition, templates: frozenset[tuple[str, str]]) -> Iterator[str]:
    for to in definition.letters():
        languages = definition.domain.languages.get(to.role)
        if languages is None:
            yield f"letter '{to.letter}' goes to role '{to.role}', which does not exist"
        for language in languages or ():
            if (to.letter, language) not in templates:
                yield f"letter '{to.letter}' to {to.role} has no template in language '{language}'"
    moved = {to.letter for move in definition.moves for to in move.letters}
    for after in {to.after: None for move in definition.moves for to in move.letters if to.after}:
        if after not in definition.remembered:
            yield f"a letter goes out only after '{after}', of which no case remembers whether it did"
    for letter in definition.counted:
        if letter not in moved:
            yield f"letter '{letter}' is counted, but no move sends it"
    known = {to.letter for to in definition.letters()}
    for letter in definition.asking:
        if letter not in known:
            yield f"letter '{letter}' asks something, but nothing sends it"


def _messages(definition: Definition) -> Iterator[str]:
    for language, messages in definition.domain.messages.items():
        for code in definition.domain.codes:
            if not messages.get(code, "").strip():
                yield f"code {code} has no message in language '{language}'"
