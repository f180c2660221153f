"""The report of an export as a page of HTML: written piece by piece, for the screen and for paper; runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache

from notifications.rendering import TEMPLATES, page
from notifications.report_words import KINDS, WORDS, Words
from workflow.clock import AMSTERDAM
from workflow.ledger.account import MOST_CASES, Account
from workflow.ledger.selection import Asked

_TEMPLATE = TEMPLATES / "report.html.j2"


def render(account: Account, language: str) -> Iterator[str]:
    """The page in a language, in pieces; goes once through the account's timelines."""
    words = WORDS[language]
    yield from page(_TEMPLATE).generate(
        language=language,
        words=words,
        kinds=_kinds(language),
        account=account,
        made_on=_local(account.made_at),
        sealed_on=_local(account.seal.at) if account.seal else "",
        selection=_selection(account.asked, words),
        holds=words.counted.format(cases=account.cases, events=account.events),
        waiting=words.waiting.format(waiting=account.waiting) if account.waiting else "",
        more_cases=words.more_cases.format(shown=MOST_CASES, more=account.more) if account.more else "",
        more_events=lambda more: words.more_events.format(more=more),
        by_sheet=_by_sheet,
        local=_local,
    )


def _selection(asked: Asked, words: Words) -> str:
    if asked.cases:
        return words.named.format(cases=", ".join(asked.cases))
    said = words.everything
    if asked.since and asked.until:
        said = words.between.format(since=asked.since, until=asked.until)
    elif asked.since:
        said = words.since.format(since=asked.since)
    elif asked.until:
        said = words.until.format(until=asked.until)
    if asked.sample is None:
        return said
    drawn = words.sample.format(sample=asked.sample, seed=asked.seed)
    return words.of_these.format(sample=drawn, all=said)


def _by_sheet(fields: Iterable[str]) -> list[str]:
    """Paths in fewer words: 'registration (email, dgas)'."""
    sheets: dict[str, list[str]] = {}
    for sheet, dot, name in (path.partition(".") for path in fields):
        sheets.setdefault(sheet, []).extend([name] if dot else [])
    return [f"{sheet} ({', '.join(names)})" if names else sheet for sheet, names in sheets.items()]


def _local(at: datetime | None) -> str:
    """A moment by the clocks of Amsterdam; '?' when what was stored is none."""
    return at.astimezone(AMSTERDAM).strftime("%Y-%m-%d %H:%M:%S") if at else "?"


@lru_cache(maxsize=8)
def _kinds(language: str) -> dict[str, str]:
    return {kind: names[language] for kind, names in KINDS.items()}
