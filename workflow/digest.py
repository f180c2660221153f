"""A definition's canonical form: the bytes that say all of it, and their digest, which every event records."""

from __future__ import annotations

import hashlib

from workflow.definition import Definition, LetterTo, Move, State
from workflow.events import canonical_bytes
from workflow.facts import Json


def canonical_form(definition: Definition) -> bytes:
    """RFC 8785 bytes of what a definition says."""
    return canonical_bytes(form_of(definition))


def form_of(definition: Definition) -> dict[str, Json]:
    """States, ladders, moves (validators by name), letters, sheets and codes."""
    lapses: list[Json] = [{"field": lapse.field, "ends": list(lapse.ends)} for lapse in definition.lapses]
    form: dict[str, Json] = {
        "name": definition.name,
        "version": definition.version,
        "initial": definition.initial,
        "states": [state_form(state) for state in definition.states],
        "moves": [_move(move) for move in definition.moves],
        "opening": _letters(definition.opening),
        "notices": [
            {"letters": _letters(notice.letters), "states": list(notice.states), "field": notice.field}
            for notice in definition.notices
        ],
        "counted": list(definition.counted),
        "sheets": {sheet: list(fields) for sheet, fields in definition.domain.sheets.items()},
        "codes": {str(code): str(severity) for code, severity in definition.domain.codes.items()},
    }
    later: dict[str, Json] = {"lapses": lapses, "asking": list(definition.asking)}
    return form | {name: said for name, said in later.items() if said}  # without any, older versions keep their digest


def state_form(state: State) -> dict[str, Json]:
    """What a state is, without the words that explain it."""
    return {
        "name": state.name,
        "holder": state.holder,
        "final": state.final,
        "amendable": list(state.amendable),
        "ladder": [
            {
                "name": rung.name,
                "after": rung.after,
                "letter": rung.letter,
                "role": rung.role,
                "kind": rung.kind,
                "anchor": rung.anchor,
            }
            for rung in state.ladder
        ],
    }


def digest_of(canonical: bytes) -> str:
    """SHA-256 of a canonical form, as hex."""
    return hashlib.sha256(canonical).hexdigest()


def _move(move: Move) -> Json:
    return {
        "trigger": move.trigger,
        "from": list(move.sources),
        "to": move.target,
        "validators": [validator.__name__ for validator in move.validators],
        "letters": _letters(move.letters),
        "forward": move.forward,
        "needs_reason": move.needs_reason,
        "requires": list(move.requires),
    }


def _letters(letters: tuple[LetterTo, ...]) -> list[Json]:
    return [_letter(to) for to in letters]


def _letter(to: LetterTo) -> Json:
    form: dict[str, Json] = {"letter": to.letter, "role": to.role}
    return form | {"after": to.after} if to.after else form
