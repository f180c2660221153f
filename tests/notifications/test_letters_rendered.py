"""Every letter says the same as text and as HTML, injects nothing, and can be read by everybody."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from notifications.desk import Desk
from notifications.rendering import TEMPLATES, CannotRender, Renderer, cleaned, templates
from notifications.samples import sample_context

DESK = Desk(
    "koppelingen@asr.example",
    team_name="Team Salariskoppeling",
    team_phone="030 000 0000",
    form_url="https://form.example/aanmelden?a=1&b=2",
)
UNSET = Desk("koppelingen@asr.example")
ROLES = {"case_withdrawn": ("applicant", "keylane"), "coupling_confirmed": ("applicant", "asr")}
DIGEST = {"nl": ("applicant", "asr", "keylane", "operations"), "en": ("applicant",)}


def roles(letter: str, language: str) -> tuple[str | None, ...]:
    found = DIGEST if letter == "reminder_digest" else {"nl": ROLES.get(letter, (None,))}
    return found.get(language, (None,))


LETTERS = [
    pytest.param(letter, language, role, id=f"{letter}-{language}-{role}")
    for letter, language in sorted(templates())
    for role in roles(letter, language)
]
every_letter = pytest.mark.parametrize(("letter", "language", "role"), LETTERS)
DARK = "@media (prefers-color-scheme: dark) {"
HOSTILE = '"Leeuw" & Zn <b>{{ 7*7 }}</b>'


class Page(HTMLParser):
    """What a page says, and of what it is made."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.said.append(data)

    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]


def words(text: str) -> list[str]:
    """The words in order; the dashes that begin the lines of a list are its form, not its words."""
    return re.sub(r"^- ", "", text, flags=re.MULTILINE).split()


def render(letter: str, language: str, role: str | None = None, desk: Desk = DESK, **changes):
    return Renderer(desk).render(letter, language, sample_context(letter, language, role) | changes)


@every_letter
@pytest.mark.parametrize("desk", [DESK, UNSET], ids=["set", "unset"])
def test_text_and_html_say_the_same_words_in_the_same_order(letter, language, role, desk):
    rendered = render(letter, language, role, desk)

    assert words("".join(Page(rendered.html).said)) == words(rendered.text)


@every_letter
@pytest.mark.parametrize("desk", [DESK, UNSET], ids=["set", "unset"])
def test_no_mark_no_tag_and_no_gap_is_left(letter, language, role, desk):
    rendered = render(letter, language, role, desk)

    for part in (rendered.subject, rendered.text, "".join(Page(rendered.html).said)):
        assert not re.search(r"\{[{%]|[%}]\}|^#|`|None|[\ue000-\uf8ff]", part, re.MULTILINE)
    assert "\n\n\n" not in rendered.text
    assert "  " not in rendered.text
    assert "<p></p>" not in rendered.html.replace("\n", "")
    assert not re.search(r"<ul[^>]*>\s*</ul>", rendered.html)


@every_letter
def test_a_page_has_one_h1_its_language_and_headings_below_it(letter, language, role):
    page = Page(render(letter, language, role).html)

    assert page.names().count("h1") == 1
    assert page.names().index("h1") < [*page.names(), "h2"].index("h2")
    assert page.tags[0] == ("html", {"lang": language, "dir": "ltr"})
    assert not {"table", "img", "h3"} & set(page.names())
    assert '<meta charset="utf-8">' in render(letter, language, role).html[:1024]


@every_letter
def test_nothing_is_loaded_from_anywhere(letter, language, role):
    html = render(letter, language, role).html
    page = Page(html)

    assert not {"img", "script", "link", "iframe", "object", "form", "video", "base"} & set(page.names())
    assert not {"src", "srcset", "background", "action"} & {name for _, attrs in page.tags for name in attrs}
    assert not re.search(r"url\(|@import|http-equiv", html)
    assert all(
        re.match(r"(https://|mailto:)", attrs["href"] or "") for tag, attrs in page.tags if tag == "a"
    )  # shown, and followed by people only


@every_letter
def test_css_is_inlined_and_dark_mode_is_kept(letter, language, role):
    html = render(letter, language, role).html

    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style.startswith("@media (prefers-color-scheme: dark)")
    assert all("style" in attrs for tag, attrs in Page(html).tags if tag in {"p", "ul", "li", "h1", "h2", "a", "code"})


def test_the_first_exchange_letter_says_that_individual_employers_can_be_supplied():
    assert "'aanmelding nieuwe werkgever'" in render("coupling_confirmed", "nl").text
    assert "'aanmelding nieuwe werkgever'" in render("coupling_confirmed", "en").text


@pytest.mark.parametrize(
    ("language", "one", "more"),
    [
        (
            "nl",
            ("1 recht ontbreekt voor Drie Dennen", "dit recht", "het recht"),
            ("2 rechten ontbreken", "deze rechten"),
        ),
        ("en", ("1 right is missing for Drie Dennen", "this right", "the right"), ("2 rights are", "these rights")),
    ],
)
def test_one_right_that_is_missing_is_not_told_as_several(language, one, more):
    rights = sample_context("rights_missing", language)["missing_rights"][:2]

    single, several = (render("rights_missing", language, missing_rights=rights[:count]) for count in (1, 2))

    assert all(words in single.text for words in one)
    assert not any(words in single.text for words in more)
    assert all(words in several.text for words in more)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("letter", ["keylane_will_contact", "configuration_started"])
def test_a_second_round_does_not_read_as_the_first(letter, language):
    first, again = (render(letter, language, sequence=sequence) for sequence in (0, 1))

    assert first.subject != again.subject
    assert re.search("Goed nieuws|Good news|begonnen|started", first.text)
    assert re.search("verder met|continues with|weer bezig|again", again.text)
    assert not re.search("Goed nieuws|Good news|begonnen|started", again.text)


@pytest.mark.parametrize("check", ["11 december 2026", ""])
def test_a_check_that_has_been_is_not_announced(check):
    text = render("coupling_confirmed", "nl", "asr", first_check_on=check).text

    assert ("Controle door de uitvoering: 11 december 2026" in text) == ("Controle" in text) == bool(check)


def test_a_digest_counts_in_its_subject_and_names_each_case():
    rendered = render("reminder_digest", "nl")

    assert rendered.subject == "2 koppelingen wachten op je, 1 voor de tweede keer"  # the third asks nothing
    for reference in ("K-7Q2M-4XZ9", "K-3F8N-P1TC", "K-9VH4-0JWE"):
        assert reference in rendered.text


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("letter", ["reminder_applicant", "reminder_applicant_second"])
def test_a_reminder_asks_nothing_of_a_reader_who_has_nothing_to_do(letter, language):
    asking, telling = render(letter, language), render(letter, language, open_items=[])

    assert re.search("erinnering|eminder", asking.subject)
    assert not re.search("erinnering|eminder", telling.subject + telling.text)
    assert re.search("Je hoeft nu niets te doen|You need not do anything now", telling.text)
    assert not re.search("stoppen|must stop", telling.text)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_digest_asks_nothing_about_a_case_with_nothing_open(language):
    cases = [{**case, "open_items": []} for case in sample_context("reminder_digest", language)["cases"]]
    asking, telling = render("reminder_digest", language), render("reminder_digest", language, cases=cases, count=0)
    nothing = re.compile(r"Je hoeft nu niets te doen|You need not do anything now")

    assert len(nothing.findall(asking.text)) == 1
    assert len(nothing.findall(telling.text)) == 1 + len(cases)
    assert re.search("Wil je|Could you", asking.text)
    assert not re.search(r"\d koppeling|\d coupling|wacht|waiting|Wil je|Could you|\?", telling.subject + telling.text)
    assert not re.search(r"Ligt \d+ werkdagen bij je\.$|working days\.$", asking.text, re.MULTILINE)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(
    ("letters", "said"),
    [
        (("reminder_applicant", "reminder_applicant"), ""),
        (("reminder_applicant", "reminder_applicant_second"), ", 1 (voor de tweede keer|for the second time)$"),
        (("reminder_applicant_second", "reminder_applicant_second"), "^(Tweede herinnering|Second reminder): 2 "),
    ],
)
def test_the_second_reminder_of_a_case_is_one_in_a_digest_too(language, letters, said):
    known = sample_context("reminder_digest", language)["cases"]
    cases = [{**case, "letter": letter} for case, letter in zip(known, letters, strict=False)]

    rendered = render("reminder_digest", language, cases=cases)

    assert (
        re.search(said, rendered.subject) if said else not re.search("tweede|second", rendered.subject + rendered.text)
    )
    assert len(re.findall("Onze uitvoering weet dat|Our operations team knows", rendered.text)) == (
        letters.count("reminder_applicant_second")
    )
    assert ("030 000 0000, " in rendered.text) == bool(said)
    assert len(re.findall("28 [Dd]ecember 2026", rendered.text)) == letters.count("reminder_applicant_second")


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("letter", ["reminder_applicant", "reminder_applicant_second", "reminder_digest"])
def test_a_reminder_asks_for_details_by_the_form_and_never_for_a_bsn_by_mail(letter, language):
    """A wage tax number may be the BSN of a sole trader."""
    asking, without_form = render(letter, language), render(letter, language, desk=UNSET)

    assert ("https://form.example/aanmelden" in asking.text, "form.example" in without_form.text) == (True, False)
    for text in (asking.text, without_form.text):
        assert re.search(r"stuur ons nooit wachtwoorden of BSN's|never send us passwords or citizen service", text)


def written_before(context: dict) -> dict:
    """A context as it was frozen before letters knew whom a case waits for, other than of operations."""
    return {name: value for name, value in context.items() if name not in {"waits_for", "elsewhere"}}


@pytest.mark.parametrize(
    "letter", ["reminder_asr", "reminder_keylane", "escalation", "withdraw_question", "ready_to_register"]
)
def test_a_reminder_that_was_written_before_an_upgrade_still_says_what_it_said(letter):
    context = written_before(sample_context(letter, "nl")) | {"holder_label": "Keylane"}

    text = Renderer(DESK).render(letter, "nl", context).text

    assert "niets te doen" not in text
    assert ("werkdagen op Keylane." in text) == (letter in {"escalation", "withdraw_question"})


@pytest.mark.parametrize("role", DIGEST["nl"])
def test_a_digest_that_was_written_before_an_upgrade_still_says_what_it_said(role):
    context = sample_context("reminder_digest", "nl", role)
    kept = ("reference", "company", "state_label", "open_items", "working_days", "letter")
    cases = [{name: case[name] for name in kept} for case in context["cases"]]

    text = Renderer(DESK).render("reminder_digest", "nl", {**context, "cases": cases}).text

    assert "eigen besluit" not in text
    assert text.count("niets te doen") == (role == "applicant")


def test_a_hostile_name_shows_as_itself_in_both_parts():
    rendered = render("invitation", "nl", company=HOSTILE, company_short=HOSTILE, salutation=f"Beste {HOSTILE}")
    page = Page(rendered.html)

    assert HOSTILE[:20] in rendered.subject  # it is cut to fit
    assert HOSTILE in rendered.text
    assert HOSTILE in "".join(page.said)
    assert "b" not in page.names()
    assert words("".join(page.said)) == words(rendered.text)


@pytest.mark.parametrize("breaking", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x1b", "\x85", "\u2028", "\u2029"])
def test_no_value_can_break_a_line(breaking):
    name = f"Eik{breaking}Bcc: a@b{breaking}{breaking}## K{breaking}- p"

    rendered = render("invitation", "nl", company=name, company_short=name)

    assert "Eik Bcc: a@b ## K - p" in rendered.text
    assert breaking == "\n" or breaking not in rendered.text
    assert rendered.subject.startswith("Salariskoppeling van Eik Bcc: a@b ## K - p:")
    assert Page(rendered.html).names().count("h2") == 3


@pytest.mark.parametrize(("name", "shown"), [("Vier B.V.", "Vier B.V."), ("Vier", "Vier."), ("V. <&>", "V. <&>.")])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_sentence_that_ends_with_a_name_has_one_full_stop(language, name, shown):
    rendered = render("configuration_started", language, keylane_reference=name)

    assert f" {shown}\n" in rendered.text
    assert f" {shown}\n" in "".join(Page(rendered.html).said)


@every_letter
def test_no_letter_ends_a_sentence_twice(letter, language, role):
    dotted = dict.fromkeys(("company", "company_short", "waits_for", "state_label", "keylane_reference"), "a.s.r.")
    context = sample_context(letter, language, role)
    known = {name: value for name, value in dotted.items() if name in context}
    cases = {
        "cases": [
            {**case, "company": "a.s.r.", "state_label": "a.s.r.", "waits_for": "a.s.r."}
            for case in context.get("cases", ())
        ]
    }
    for sequence in ({"sequence": 1}, {"sequence": 0}):
        rendered = render(letter, language, role, **known, **sequence, **(cases if "cases" in context else {}))

        assert not re.search(r"(?<!\.)\.\.(?!\.)", rendered.text)
        assert not re.search(r"(?<!\.)\.\.(?!\.)", rendered.html)


def test_no_value_can_turn_the_direction_of_writing_or_hide_itself():
    shown = cleaned("Leeuw\u202egnp.exe\u2066 B\u200b.V.\ufeff")

    assert shown == "Leeuwgnp.exe B.V."


def test_half_a_character_becomes_a_mark_that_can_be_sent():
    assert cleaned("a\ud83db") == "a\ufffdb"


def test_a_value_in_a_link_stays_in_it():
    html = render("invitation", "nl", desk=Desk("a@b.example", form_url='javascript:alert("x")//<b>')).html

    assert 'href="https://javascript:alert(&#34;x&#34;)//&lt;b&gt;"' in html


@pytest.mark.parametrize(
    "missing",
    [
        "company_short",
        "salutation",
        "company",
        "sequence",
        "role",
        "first_exchange_date",
        "first_exchange_iso",
        "exchanged",
    ],
)
def test_a_missing_key_is_an_error_and_never_an_empty_place(missing):
    context = sample_context("coupling_confirmed", "nl")
    del context[missing]

    with pytest.raises(CannotRender, match=f"'coupling_confirmed' in language 'nl'.*'{missing}' is undefined"):
        Renderer(DESK).render("coupling_confirmed", "nl", context)


def test_a_value_that_is_none_is_an_error():
    with pytest.raises(CannotRender, match=r"empty \(None\)"):
        render("invitation", "nl", company=None)


@pytest.mark.parametrize(
    "letter",
    ["../layout.html", "..", "", "invitation.j2", "nl/invitation", "/etc/passwd", "signature.nl", "Invitation", "x\0"],
)
def test_only_letters_that_exist_have_a_name(letter):
    with pytest.raises(CannotRender, match="there is no letter"):
        Renderer(DESK).render(letter, "nl", {})
    with pytest.raises(CannotRender, match="there is no letter"):
        Renderer(DESK).render("invitation", letter, {})


def copied(tmp_path: Path, body: str) -> Path:
    """The templates with one letter of our own."""
    folder = tmp_path / "templates"
    (folder / "nl").mkdir(parents=True)
    for name in ("layout.html.j2", "signature.nl.j2"):
        (folder / name).write_text((TEMPLATES / name).read_text("utf-8"), "utf-8")
    (folder / "nl" / "own.j2").write_text(f"Subject: Eigen\n\n{body}\n", "utf-8")
    return folder


def test_links_are_no_templates(tmp_path):
    folder = copied(tmp_path, "Hallo")
    (folder / "nl" / "linked.j2").symlink_to(folder / "nl" / "own.j2")
    (folder / "en").symlink_to(folder / "nl")

    assert templates(folder) == {("own", "nl")}


@pytest.mark.parametrize(
    "body",
    [
        "{% include 'signature.nl.j2' %}",
        "{% extends 'layout.html.j2' %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ settings.__class__ }}",
        "{{ cases.append(1) }}",
        "{{ lipsum() }}",
        "{{ range(3) }}",
        "{% if reference %}",
        "{% endif %}",
        "\ue000",
    ],
)
def test_a_template_can_neither_read_files_nor_reach_python(tmp_path, body):
    renderer = Renderer(DESK, copied(tmp_path, body))

    with pytest.raises(CannotRender, match="letter 'own' in language 'nl' cannot be rendered"):
        renderer.render("own", "nl", {"reference": "", "cases": []})


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def colours(css: str) -> dict[tuple[str, str], str]:
    """(selector, property) → colour."""
    return {
        (selector.strip(), name): colour
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css)
        for selector in selectors.split(",")
        for name, colour in re.findall(r"(?<![-\w])(color|background-color): (#[0-9a-f]{6})", body)
    }


ON_LETTER = [(ink, ".letter") for ink in (".letter", "h1", "h2", "a", ".signature")]
SET_APART = [(ink, paper) for ink in (".letter", "a") for paper in (".note", ".tip")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), [*ON_LETTER, *SET_APART, ("code", "code")])
def test_every_text_stands_out_from_every_ground_it_can_have(scheme, ink, paper):
    light, _, dark = (TEMPLATES / "layout.html.j2").read_text("utf-8").partition(DARK)

    found = colours(light.partition("<style>")[2] if scheme == "light" else dark)

    assert contrast(found[ink, "color"], found[paper, "background-color"]) >= 4.5


def test_both_schemes_colour_the_same_things():
    light, _, dark = (TEMPLATES / "layout.html.j2").read_text("utf-8").partition(DARK)

    assert set(colours(light.partition("<style>")[2])) == set(colours(dark.partition("</style>")[0]))
