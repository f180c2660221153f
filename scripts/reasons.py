"""How the letters of a move give its reason: who reads it, and what was left out for them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from notifications.rendering import Renderer
from scripts.mail_settings import desk_of
from scripts.mailroom import find_letters
from scripts.wiring import Session
from workflow.answers import Moved


def told_reasons(session: Session, moved: Moved, reason: str) -> Iterator[str]:
    """A sentence for each way in which letters give the reason; none when none gives it."""
    readers: dict[str, list[str]] = {}
    for role, text in _given(session, moved):
        readers.setdefault(" ".join(text.split()), []).append(role)
    for text, roles in readers.items():
        letters, give, leave = ("letter", "gives", "leaves") if len(roles) == 1 else ("letters", "give", "leave")
        who = f"The {letters} to {' and '.join(roles)}"
        if text == " ".join(reason.split()):
            yield f"{who} {give} the reason word for word."
        else:
            yield f'{who} {leave} out of the reason what no letter may hold (numbers, names of DGAs): "{text}"'


def _given(session: Session, moved: Moved) -> Iterator[tuple[str, str]]:
    """The readers whose letter shows its reason, each with the words: only putting it into words tells, by its role."""
    renderer = Renderer(desk_of(session.settings))
    for row in find_letters(session, moved.case, None, None):
        if row.seq != moved.seq or row.is_erased:
            continue
        context = json.loads(row.context)
        with_it, without = (
            renderer.render(row.letter, row.language, context | more).text for more in ({}, {"reason": ""})
        )
        if with_it != without:
            yield row.role, str(context["reason"])
