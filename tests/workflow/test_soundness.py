"""`workflow check` finds every fault that would strand a case, send nothing or say nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from readme import moves_table

from states import EMPLOYER_COUPLING
from workflow.definition import Definition, LetterTo, Move, Notice, Rung, State
from workflow.digest import canonical_form, digest_of
from workflow.facts import Context, Facts, Problem
from workflow.soundness import check

FOLDER = Path(__file__).resolve().parents[2] / "templates"
TEMPLATES = frozenset((path.name.partition(".")[0], path.parent.name) for path in FOLDER.glob("*/*.j2"))


def with_states(*states: State) -> Definition:
    return replace(EMPLOYER_COUPLING, states=(*EMPLOYER_COUPLING.states, *states))


def with_moves(*moves: Move) -> Definition:
    return replace(EMPLOYER_COUPLING, moves=(*EMPLOYER_COUPLING.moves, *moves))


def with_domain(**changed: Any) -> Definition:
    domain = EMPLOYER_COUPLING.domain
    names = ("sheets", "codes", "messages", "languages")
    return replace(
        EMPLOYER_COUPLING, domain=SimpleNamespace(**{name: getattr(domain, name) for name in names} | changed)
    )


def without(trigger: str, *sources: str) -> Definition:
    kept = [m for m in EMPLOYER_COUPLING.moves if not (m.trigger == trigger and set(m.sources) & set(sources))]
    return replace(EMPLOYER_COUPLING, moves=tuple(kept))


def messages_without(code: str, language: str, text: str | None = None) -> dict[str, dict[str, str]]:
    messages = {name: dict(texts) for name, texts in EMPLOYER_COUPLING.domain.messages.items()}
    if text is None:
        del messages[language][code]
    else:
        messages[language][code] = text
    return messages


def test_the_employer_coupling_is_sound() -> None:
    assert check(EMPLOYER_COUPLING, TEMPLATES) == ()


NOWHERE = State("island", "asr", "nobody gets here")
PIT = State("pit", "asr", "nobody gets out")
PLANTED: dict[str, tuple[Definition, list[str]]] = {
    "an unreachable state": (
        replace(
            with_states(NOWHERE),
            moves=(
                *EMPLOYER_COUPLING.moves,
                Move("leave", ("island",), "registered", forward=True),
                Move("quit", ("island",), "withdrawn"),
            ),
        ),
        ["island", "cannot be reached"],
    ),
    "a dead end": (
        replace(with_states(PIT), moves=(*EMPLOYER_COUPLING.moves, Move("fall", ("registered",), "pit"))),
        ["dead end", "pit"],
    ),
    "a state from which confirmed is out of reach": (without("confirm", "keylane_configuring"), ["confirmed"]),
    "a state that cannot be withdrawn": (
        replace(
            with_states(PIT),
            moves=(
                *EMPLOYER_COUPLING.moves,
                Move("fall", ("registered",), "pit"),
                Move("rise", ("pit",), "confirmed", forward=True),
            ),
        ),
        ["pit", "withdrawn"],
    ),
    "two moves for one pair": (
        with_moves(Move("register", ("rights_pending",), "enriched")),
        ["two moves", "register", "rights_pending"],
    ),
    "two moves for one pair that agree": (
        with_moves(Move("enrich", ("enriched", "registered"), "enriched")),
        ["two moves", "enrich", "registered"],
    ),
    "two forward moves": (
        with_moves(Move("skip", ("rights_pending",), "enriched", forward=True)),
        ["rights_pending", "forward"],
    ),
    "a letter without a template": (
        with_moves(Move("ping", ("registered",), "registered", letters=(LetterTo("pong", "asr"),))),
        ["pong", "template"],
    ),
    "a letter to nobody": (
        with_moves(Move("ping", ("registered",), "registered", letters=(LetterTo("invitation", "mayor"),))),
        ["mayor"],
    ),
    "a code without a message": (
        with_domain(messages=messages_without("RW_PREFIX", "nl")),
        ["RW_PREFIX", "nl"],
    ),
    "a code with an empty message": (
        with_domain(messages=messages_without("RW_PREFIX", "en", "  ")),
        ["RW_PREFIX", "en"],
    ),
    "a language without messages": (
        with_domain(messages={"nl": EMPLOYER_COUPLING.domain.messages["nl"], "en": {}}),
        ["RW_PREFIX", "en"],
    ),
    "a move from a state that does not exist": (with_moves(Move("ping", ("limbo",), "registered")), ["limbo"]),
    "a move to a state that does not exist": (with_moves(Move("ping", ("registered",), "limbo")), ["limbo"]),
    "a move out of a final state": (with_moves(Move("revive", ("withdrawn",), "registered")), ["withdrawn", "final"]),
    "a state that is there twice": (with_states(State("registered", "asr", "again")), ["same name"]),
    "a letter that is counted and never moved by": (
        replace(EMPLOYER_COUPLING, counted=("invitation",)),
        ["invitation", "counted"],
    ),
    "a beginning that does not exist": (replace(EMPLOYER_COUPLING, initial="limbo"), ["limbo"]),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_named(fault: str) -> None:
    definition, words = PLANTED[fault]

    found = check(definition, TEMPLATES)

    assert any(all(word in sentence for word in words) for sentence in found), found


@pytest.mark.parametrize(("letter", "language"), sorted(TEMPLATES))
def test_every_template_is_missed_when_it_is_not_there(letter: str, language: str) -> None:
    used = {
        (to.letter, spoken)
        for to in EMPLOYER_COUPLING.letters()
        for spoken in EMPLOYER_COUPLING.domain.languages[to.role]
    }

    found = check(EMPLOYER_COUPLING, TEMPLATES - {(letter, language)})

    assert bool(found) is ((str(letter), language) in used)
    assert all(letter in sentence and language in sentence for sentence in found)


def test_two_states_of_one_name_are_one_fault() -> None:
    assert check(with_states(EMPLOYER_COUPLING.states[-1]), TEMPLATES) == ("two states have the same name",)


def test_a_table_shows_a_dash_where_a_move_sends_no_letter() -> None:
    silent = replace(EMPLOYER_COUPLING, moves=(Move("go", ("a", "b"), "c"),))

    assert moves_table(silent).splitlines()[2:] == ["| `go` | `a`, `b` | `c` | – |"]


def test_the_bytes_of_a_definition_say_every_part_of_it() -> None:
    def rule(facts: Facts, context: Context) -> Iterator[Problem]:
        yield from ()

    to = LetterTo("hello", "reader")
    said = {"letter": "hello", "role": "reader"}
    small = replace(
        EMPLOYER_COUPLING,
        name="small",
        version="1",
        initial="a",
        states=(
            State("a", "reader", "begins", (Rung("late", 3, "hello", "reader", "escalated", "sheet.day"),)),
            State("b", None, "ends", final=True, amendable=("sheet.day",)),
        ),
        moves=(Move("go", ("a",), "b", (rule,), (to,), forward=True, needs_reason=True, requires=("sheet",)),),
        opening=(to,),
        notices=(Notice((to,), ("a",), "sheet.day", lambda facts: None),),
        counted=("hello",),
    )

    form = json.loads(canonical_form(small))

    assert (form.pop("sheets"), form.pop("codes")) == (
        {sheet: list(fields) for sheet, fields in EMPLOYER_COUPLING.domain.sheets.items()},
        {str(code): str(severity) for code, severity in EMPLOYER_COUPLING.domain.codes.items()},
    )
    rung = {"name": "late", "after": 3, "kind": "escalated", "anchor": "sheet.day", **said}
    assert form == {
        "name": "small",
        "version": "1",
        "initial": "a",
        "states": [
            {"name": "a", "holder": "reader", "final": False, "amendable": [], "ladder": [rung]},
            {"name": "b", "holder": None, "final": True, "amendable": ["sheet.day"], "ladder": []},
        ],
        "moves": [
            {
                "trigger": "go",
                "from": ["a"],
                "to": "b",
                "validators": ["rule"],
                "letters": [said],
                "forward": True,
                "needs_reason": True,
                "requires": ["sheet"],
            }
        ],
        "opening": [said],
        "notices": [{"letters": [said], "states": ["a"], "field": "sheet.day"}],
        "counted": ["hello"],
    }
    assert digest_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
