from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import count

import pytest

from notifications.report import render
from notifications.report_words import KINDS, WORDS
from workflow.events import Kind
from workflow.ledger.account import MOST_CASES, MOST_EVENTS, Account, Seal, Timeline
from workflow.ledger.entries import UNREADABLE, Entry
from workflow.ledger.selection import Asked

NOW = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
LANGUAGES = ["en", "nl"]
EVIL = '"><script src=http://evil.example/x.js></script><img src=x onerror=alert(1)>{{ 7*7 }}'


def entry(seq: int = 1, kind: str = "moved", **given: object) -> Entry:
    told: dict[str, object] = {
        "case": "K-7QDM-4XTR",
        "seq": seq,
        "at": NOW,
        "actor": "anna",
        "os_user": "anna-os",
        "via": "cli",
        "kind": kind,
        "trigger": "register",
        "source": "rights_pending",
        "target": "registered",
        "fields": ("reason", "registration.dgas", "registration.email"),
        "codes": (),
        "accepted": ("RW_PREFIX",),
        "letters": ("registration_received",),
        "details": (),
        "rules": ("employer_coupling", "1"),
        "hash": "ab" * 32,
        "leaf": 0,
    }
    return Entry(**{**told, **given})  # type: ignore[arg-type]


def timeline(entries: Iterator[Entry], events: int = 1, **given: object) -> Timeline:
    told: dict[str, object] = {
        "case": "K-7QDM-4XTR",
        "external_reference": "E06",
        "title": "",
        "state": "registered",
        "holder": "asr",
        "opened_at": NOW,
        "ended_at": None,
        "erased": False,
    }
    return Timeline(**{**told, **given}, events=events, entries=entries)  # type: ignore[arg-type]


def account(*timelines: Timeline, **given: object) -> Account:
    told: dict[str, object] = {
        "made_at": NOW,
        "made_by": "auditor",
        "asked": Asked(),
        "revealed": False,
        "events": 3,
        "cases": 1,
        "waiting": 0,
        "seal": Seal(3, "cd" * 32, NOW, "schakel/test"),
        "key": "schakel/test+00000000+AAAA",
        "timelines": iter(timelines),
    }
    return Account(**{**told, **given})  # type: ignore[arg-type]


def page(told: Account, language: str = "en") -> str:
    return "".join(render(told, language))


def words_of(html: str) -> str:
    """The text of a page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_step_says_when_who_via_what_and_from_where_to_where(language: str) -> None:
    html = page(account(timeline(iter([entry()]))), language)

    assert "2026-04-20 10:00:00" in html  # in Amsterdam
    said = words_of(html)
    for word in ("K-7QDM-4XTR", "E06", "register", "rights_pending → registered", "RW_PREFIX", "abababababab"):
        assert word in said
    assert "anna (anna-os), via cli" in said
    assert "reason, registration (dgas, email)" in said
    assert "registration_received" in said
    assert "ab" * 32 not in html


def test_a_refusal_says_the_codes() -> None:
    told = entry(kind="refused", codes=("LH_FORMAT", "RW_MISSING"), target="rights_pending", trigger="register")

    said = words_of(page(account(timeline(iter([told])))))

    assert "Refused register because of: LH_FORMAT, RW_MISSING" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_summary_says_what_was_chosen_and_how_it_is_sealed(language: str) -> None:
    said = words_of(page(account(waiting=17), language))

    for word in ("auditor", "cd" * 32, "schakel/test", "schakel/test+00000000+AAAA", "2026-04-20 10:00:00", "17"):
        assert word in said
    assert "python verify.py EXPORT.zip --key KEY --against NOTE" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(), "everything"),
        (Asked(("E06", "K-1")), "cases E06, K-1"),
        (Asked(since=date(2026, 4, 1), until=date(2026, 4, 30)), "from 2026-04-01 to 2026-04-30"),
        (Asked(since=date(2026, 4, 1)), "since 2026-04-01"),
        (Asked(until=date(2026, 4, 1)), "until 2026-04-01"),
        (Asked(sample=25, seed="Q3"), "a sample of 25 cases, drawn with seed &#39;Q3&#39;, out of everything"),
    ],
)
def test_the_selection_is_told_in_words(asked: Asked, said: str) -> None:
    assert said in page(account(asked=asked))


def test_every_kind_of_event_has_a_name_in_every_language() -> None:
    assert set(KINDS) == {*map(str, Kind), UNREADABLE}
    assert all(set(names) == set(WORDS) for names in KINDS.values())
    assert set(WORDS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*KINDS, "something new"])
def test_every_kind_of_event_can_be_shown(kind: str, language: str) -> None:
    html = page(account(timeline(iter([entry(kind=kind)]))), language)

    assert KINDS.get(kind, {}).get(language, kind) in html


def test_both_languages_have_every_text_with_the_same_places() -> None:
    for field in WORDS["en"]._fields:
        english, dutch = (getattr(WORDS[language], field) for language in LANGUAGES)
        assert english
        assert dutch
        if isinstance(english, str):
            assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", dutch)), field


def test_what_people_wrote_is_text_and_nothing_else() -> None:
    told = entry(kind=EVIL, actor=EVIL, trigger=EVIL, target=EVIL, details=((EVIL, EVIL),), codes=(EVIL,), hash=EVIL)

    html = page(account(timeline(iter([told]), case=EVIL, external_reference=EVIL, title=EVIL), made_by=EVIL, key=EVIL))

    class Tags(HTMLParser):
        seen: frozenset[str] = frozenset()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen |= {tag, *(name for name, _ in attrs if name.startswith("on") or name in ("src", "href"))}

    tags = Tags()
    tags.feed(html)
    assert not tags.seen & {"script", "img", "link", "src", "href", "onerror", "iframe"}
    assert "49" not in html.partition("</style>")[2]


def test_a_page_runs_nothing_and_fetches_nothing() -> None:
    html = page(account(timeline(iter([entry()]))))

    assert not re.search(r"<script|<link|@import|url\(|src=|href=|https?:", html)


def test_a_page_prints_on_a4_one_case_a_page() -> None:
    html = page(account())

    printed = html[html.index("@media print") : html.index("</style>")]
    assert "size: A4" in printed
    assert "section { break-before: page; }" in printed
    assert "break-inside: avoid" in html
    assert "@media screen and (prefers-color-scheme: dark)" in html  # paper stays white


def test_an_account_is_told_as_it_is_read() -> None:
    taken = count()

    def entries() -> Iterator[Entry]:
        for seq in range(1, 400):
            next(taken)
            yield entry(seq)

    pieces = render(account(timeline(entries(), 399)), "en")
    while 'class="when"' not in next(pieces):
        pass

    assert next(taken) < 5
    assert sum(piece.count('class="when"') for piece in pieces) == 398


def test_what_a_report_leaves_out_it_says() -> None:
    told = timeline(iter([entry()]), MOST_EVENTS + 7)

    said = words_of(page(account(told, cases=MOST_CASES + 5)))

    assert "shows the first 1000 cases; 5 more" in said
    assert "7 more events of this case" in said


def test_a_ledger_without_a_head_and_a_moment_that_is_none_are_shown_as_such() -> None:
    told = timeline(iter([entry(at=None)]), opened_at=None, ended_at=NOW, erased=True)

    said = words_of(page(account(told, seal=None, key=None)))

    assert "There is no checkpoint" in said
    assert "1 ?" in said
    assert "erased; the history still verifies" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_export_with_personal_values_says_so_first(language: str) -> None:
    said = words_of(page(account(revealed=True), language))

    assert "openings.jsonl" in said[:200]
