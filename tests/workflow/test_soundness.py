"""`workflow check` finds every fault that would strand a case, send nothing or say nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import leave
import pytest
from leave import LEAVE
from readme import moves_table

from states import EMPLOYER_COUPLING
from states.table import MOVES
from workflow.definition import Definition, Lapse, LetterTo, Move, Notice, Rung, State
from workflow.digest import canonical_form, digest_of
from workflow.facts import Context, Facts, Problem
from workflow.soundness import check as faults_of

FOLDER = Path(__file__).resolve().parents[2] / "templates"
TEMPLATES = frozenset((path.name.partition(".")[0], path.parent.name) for path in FOLDER.glob("*/*.j2"))


def check(definition: Definition, templates: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """As `schakel workflow check` does it: whatever happens, a coupling can be confirmed and be withdrawn."""
    return faults_of(definition, templates, ends=("confirmed", "withdrawn"))


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
    "a letter after one that is not counted": (
        replace(
            EMPLOYER_COUPLING,
            moves=(replace(MOVES[0], letters=(LetterTo("case_withdrawn", "keylane", "reminder_asr"),)), *MOVES[1:]),
        ),
        ["only after 'reminder_asr'"],
    ),
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


def with_notice(**changed: Any) -> Definition:
    notice = Notice((leave.NUDGE,), ("draft",), "request.kind", lambda facts: None)
    return replace(LEAVE, notices=(replace(notice, **changed),))


def with_first_state(**changed: Any) -> Definition:
    return replace(LEAVE, states=(replace(LEAVE.states[0], **changed), *LEAVE.states[1:]))


def rung(**changed: Any) -> Rung:
    return replace(Rung("r1", 2, "nudge", "manager"), **changed)


ANCHORED = rung(anchor="request.first_day")
NOT_RUN: dict[str, tuple[Definition, str]] = {
    "a reminder of another kind": (
        leave.with_ladder(rung(kind="noted")),
        "reminder 'r1' of 'draft' is of kind 'noted'; there are: reminded, escalated",
    ),
    "a reminder before its day": (
        leave.with_ladder(rung(after=-3)),
        "reminder 'r1' of 'draft' is due -3 working days after, which is before",
    ),
    "a reminder after a date that is no field": (
        leave.with_ladder(rung(anchor="request.last_day")),
        "reminder 'r1' of 'draft' counts from field 'request.last_day', which does not exist",
    ),
    "a ladder from two days": (
        leave.with_ladder(ANCHORED, rung(name="r2")),
        "the reminders of 'draft' do not all count from the same day",
    ),
    "a notice without a letter": (with_notice(letters=()), "the notice about 'request.kind' sends no letter"),
    "a notice about no field": (
        with_notice(field="request.days"),
        "a notice follows field 'request.days', which does not exist",
    ),
    "a notice in no state": (
        with_notice(states=("limbo",)),
        "the notice about 'request.kind' names state 'limbo', which does not exist",
    ),
    "a field that ends what does not exist": (
        replace(LEAVE, lapses=(Lapse("request.kind", ("request.days",)),)),
        "what lapses with 'request.kind' names field 'request.days', which does not exist",
    ),
    "a question that nobody gets": (
        replace(LEAVE, asking=("farewell",)),
        "letter 'farewell' asks something, but nothing sends it",
    ),
    "a field to change that does not exist": (
        with_first_state(amendable=("request",)),
        "state 'draft' lets field 'request' change, which does not exist",
    ),
    "a holder that is no role": (
        with_first_state(holder="mayor"),
        "state 'draft' is held by role 'mayor', which does not exist",
    ),
    "a beginning that is the end": (replace(LEAVE, initial="granted"), "the initial state 'granted' is final"),
    "a move from nowhere": (
        replace(LEAVE, moves=(*LEAVE.moves, Move("ping", (), "draft"))),
        "move 'ping' leaves no state",
    ),
    "no end": (
        replace(LEAVE, states=tuple(replace(state, final=False) for state in LEAVE.states)),
        "no state is final, so that no case ever ends",
    ),
    "a validator without a name": (
        leave.with_first(validators=(partial(leave.named),)),
        "a validator of move 'submit' has no name: write it as a function",
    ),
    "a validator that is a lambda": (
        leave.with_first(validators=(lambda facts, context: (),)),
        "a validator of move 'submit' has no name: write it as a function",
    ),
    "two validators of one name": (
        leave.with_first(validators=(leave.finding(), leave.finding())),
        "two validators are called 'found', so that no digest tells one from the other",
    ),
}


@pytest.mark.parametrize("fault", NOT_RUN)
def test_what_the_engine_cannot_run_is_found_once(fault: str) -> None:
    definition, said = NOT_RUN[fault]

    assert faults_of(definition, leave.TEMPLATES).count(said) == 1


def test_a_state_from_which_a_case_can_end_is_no_dead_end_although_another_end_is_out_of_reach() -> None:
    """Once leave was looked at twice nobody refuses it any more."""
    moves = tuple(replace(move, sources=move.sources[:2]) if move.trigger == "refuse" else move for move in LEAVE.moves)
    kept = tuple(move for move in moves if move.trigger != "send_back")
    definition = replace(LEAVE, moves=kept)

    assert faults_of(LEAVE, leave.TEMPLATES) == ()
    assert faults_of(definition, leave.TEMPLATES) == ()
    assert faults_of(definition, leave.TEMPLATES, ends=("refused",)) == (
        "dead end: from 'second_opinion' the case can never become 'refused'",
    )


def test_a_ladder_may_count_from_a_date_if_all_of_it_does() -> None:
    ladder = (ANCHORED, replace(ANCHORED, name="r2", after=4))

    assert faults_of(leave.with_ladder(*ladder), leave.TEMPLATES) == ()


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
        moves=(
            Move(
                "go",
                ("a",),
                "b",
                (rule,),
                (to, replace(to, after="bye")),
                forward=True,
                needs_reason=True,
                requires=("sheet",),
            ),
        ),
        opening=(to,),
        notices=(Notice((to,), ("a",), "sheet.day", lambda facts: None),),
        counted=("hello",),
        lapses=(Lapse("sheet.day", ("sheet.sun",)),),
        asking=("hello",),
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
                "letters": [said, said | {"after": "bye"}],
                "forward": True,
                "needs_reason": True,
                "requires": ["sheet"],
            }
        ],
        "opening": [said],
        "notices": [{"letters": [said], "states": ["a"], "field": "sheet.day"}],
        "counted": ["hello"],
        "lapses": [{"field": "sheet.day", "ends": ["sheet.sun"]}],
        "asking": ["hello"],
    }
    assert not {"lapses", "asking"} & json.loads(canonical_form(replace(small, lapses=(), asking=()))).keys()
    assert digest_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
