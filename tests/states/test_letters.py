"""Every letter renders in every language its reader can have, and says nothing it must not."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from notifications.desk import Desk
from notifications.rendering import Renderer, templates
from notifications.samples import sample_context
from states import EMPLOYER_COUPLING
from states.codes import Code, problem
from workflow.definition import LetterTo
from workflow.domain import Occasion

DOMAIN = EMPLOYER_COUPLING.domain
DESK = Desk(
    "koppelingen@asr.example",
    team_name="Team Salariskoppeling",
    team_phone="030 000 0000",
    form_url="https://form.example",
)
UNSET = Desk("koppelingen@asr.example")
LETTERS = [(to, language) for to in EMPLOYER_COUPLING.letters() for language in DOMAIN.languages[to.role]]
SOLE_TRADER = {"registration__wage_tax_number": "123456782L01", "registration__company_name": "Bakkerij Jansen"}


def named(pair: tuple[LetterTo, str] | object) -> str | None:
    return f"{pair[0].letter}-{pair[0].role}-{pair[1]}" if isinstance(pair, tuple) else None


def state_of(to: LetterTo) -> str:
    """A state in which this letter is sent."""
    for state in EMPLOYER_COUPLING.states:
        if any((rung.letter, rung.role) == (to.letter, to.role) for rung in state.ladder):
            return state.name
    for move in EMPLOYER_COUPLING.moves:
        if to in move.letters:
            return move.target
    return EMPLOYER_COUPLING.initial


@pytest.fixture
def occasion(case, calendar):
    def make(to: LetterTo, language: str, **changes) -> Occasion:
        return Occasion(
            letter=to.letter,
            role=to.role,
            language=language,
            reference="K-7Q2M-4XZ9",
            state=state_of(to),
            facts=case(loket_user__rights=["Raadplegen HRM"], **changes),
            today=date(2026, 11, 23),
            entered_on=date(2026, 11, 16),
            due_on=date(2026, 12, 4),
            next_due_on=None,
            working_days=5,
            problems=(
                problem(Code.RIGHTS_MISSING, "loket_user.rights", rights=["Raadplegen HRM"]),
                problem(Code.NAME_DUPLICATE, "registration.company_name", references=["K-OTHER"]),
                problem(Code.HANDOVER_REFERENCE_MISSING, "handover.keylane_reference"),
            ),
            accepted=(problem(Code.RW_PREFIX, "registration.framework_contract_number"),),
            reason="Het contract hoort bij een ander, nummer 123456782.",
            earlier=0,
            calendar=calendar,
            workings={},
        )

    return make


def render(context: dict, desk: Desk = DESK) -> tuple[str, str]:
    """Subject and text, as they are sent."""
    rendered = Renderer(desk).render(context["letter"], context["language"], json.loads(json.dumps(context)))
    return rendered.subject, rendered.text


@pytest.mark.parametrize("pair", LETTERS, ids=named)
@pytest.mark.parametrize("desk", [DESK, UNSET], ids=["set", "unset"])
def test_every_letter_renders_with_its_reference_in_the_subject(occasion, pair, desk):
    subject, body = render(DOMAIN.letter_context(occasion(*pair)), desk)

    assert subject.endswith(" [K-7Q2M-4XZ9]")
    assert "\n" not in subject
    assert "\n\n\n" not in body
    assert body.rstrip().endswith("K-7Q2M-4XZ9")
    assert ("030 000 0000" in body) == (desk is DESK)


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_no_letter_renders_badly_when_hardly_anything_is_known(occasion, pair):
    nothing = {"facts": {}, "problems": (), "accepted": (), "reason": None, "due_on": None}
    bare = occasion(*pair)._replace(**nothing, working_days=90)

    subject, body = render(DOMAIN.letter_context(bare), UNSET)

    assert "None" not in subject + body
    assert "\n\n\n" not in body
    if pair[0].letter != "coupling_confirmed":  # which nothing sends before its dates are known
        assert not re.search(r": *(;|$)|ID *$|  ", re.sub(r":\n+(?=- )", "\n", body), re.MULTILINE)


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_no_letter_holds_a_bsn_a_wage_tax_number_a_dga_or_a_sole_traders_name(occasion, pair):
    context = DOMAIN.letter_context(occasion(*pair, **SOLE_TRADER))

    subject, body = render(context)

    for secret in ("123456782", "Fictief", "Jansen", "koppeling-drie-dennen", "1234567"):
        assert secret not in json.dumps(context, ensure_ascii=False) + subject + body


@pytest.mark.parametrize("pair", LETTERS, ids=named)
@pytest.mark.parametrize(
    "typed", ["{} 123456782", "{} 123  456\u2028782", "{} 999900110L01", "{}\u20289999 00110\u3000L01"]
)
def test_no_letter_holds_a_number_that_somebody_typed_into_a_name(occasion, pair, typed):
    names = {"registration__company_name": typed.format("Zaak"), "registration__contact_name": typed.format("Jan")}
    told = occasion(*pair, **names, registration__email="123456782@example.com")

    subject, body = render(DOMAIN.letter_context(told))

    said = re.sub(r"[\s.-]", "", subject + body)
    assert "123456782" not in said
    assert "999900110" not in said
    if pair[0].letter == "keylane_handover":
        assert "- Contactpersoon: Jan ••••••••• (•••••••••@example.com)\n" in body


@pytest.mark.parametrize("pair", LETTERS, ids=named)
@pytest.mark.parametrize("misplaced", ["Jan de Vries", "jan.devries@example.nl", "06-12345678"])
def test_no_letter_holds_what_does_not_belong_in_its_field(occasion, pair, misplaced):
    fields = {"registration__framework_contract_number": misplaced, "handover__keylane_reference": misplaced}
    context = DOMAIN.letter_context(occasion(*pair, **fields))

    subject, body = render(context)

    assert misplaced not in json.dumps(context, ensure_ascii=False) + subject + body


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_only_keylanes_handover_holds_the_applicants_address(occasion, pair):
    body = json.dumps(DOMAIN.letter_context(occasion(*pair)))

    assert ("salaris06@example.com" in body) == (pair[0].letter == "keylane_handover")
    assert "999900171" not in body


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_every_letter_to_the_applicant_or_keylane_keeps_other_cases_out(occasion, pair):
    body = json.dumps(DOMAIN.letter_context(occasion(*pair)))

    assert ("K-OTHER" in body) == (pair[0].role in {"asr", "operations"})


def test_there_is_no_template_that_no_letter_uses():
    used = {(to.letter, language) for to, language in LETTERS}
    about_several = {("reminder_digest", "nl"), ("reminder_digest", "en"), ("daily_overview", "nl")}
    about_none = {("ledger_checkpoint", "nl")}

    assert templates() == used | about_several | about_none


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_the_sample_of_a_letter_has_exactly_what_a_case_gives(occasion, pair):
    to, language = pair

    sample = sample_context(str(to.letter), language, str(to.role))

    real = DOMAIN.letter_context(occasion(to, language))
    assert {name: type(value) for name, value in sample.items()} == {name: type(value) for name, value in real.items()}
    assert sample_context(to.letter, language)["role"] in {one.role for one, _ in LETTERS if one.letter == to.letter}


def test_a_reminder_says_what_is_missing_in_the_readers_language(occasion):
    to = LetterTo("reminder_applicant", "applicant")

    _, dutch = render(DOMAIN.letter_context(occasion(to, "nl")))
    _, english = render(DOMAIN.letter_context(occasion(to, "en")))

    assert "heeft deze rechten nog niet: Raadplegen HRM." in dutch
    assert "does not have these rights yet: Raadplegen HRM." in english
    assert "vóór 30 november 2026" in dutch
    assert "before 30 November 2026" in english


def test_the_next_rung_is_the_day_to_answer_by_when_the_engine_knows_it(occasion):
    known = occasion(LetterTo("reminder_applicant", "applicant"), "nl")._replace(next_due_on=date(2026, 12, 9))

    assert DOMAIN.letter_context(known)["answer_by"] == "9 december 2026"


def test_the_second_reminder_names_the_day_operations_is_asked_whether_to_stop(occasion):
    second = occasion(LetterTo("reminder_applicant_second", "applicant"), "nl")._replace(working_days=10)

    assert DOMAIN.letter_context(second)["withdraw_question_on"] == "21 december 2026"


def test_a_postponed_first_exchange_is_told_as_a_new_date(occasion):
    again = occasion(LetterTo("coupling_confirmed", "applicant"), "nl")._replace(earlier=1)

    context = DOMAIN.letter_context(again)
    subject, body = render(context)

    assert subject.startswith("Nieuwe datum:")
    assert "op 4 december 2026 wisselen we" in body
    assert (context["sequence"], context["first_exchange_iso"]) == (1, "2026-12-04")
    assert context["first_check_on"] == "11 december 2026"


@pytest.mark.parametrize(("today", "been"), [(4, False), (5, True)])
@pytest.mark.parametrize("role", ["applicant", "asr"])
def test_a_first_exchange_that_has_been_is_not_told_as_one_to_come(occasion, role, today, been):
    told = occasion(LetterTo("coupling_confirmed", role), "nl")._replace(today=date(2026, 12, today))

    context = DOMAIN.letter_context(told)

    assert context["exchanged"] is been
    assert ("Op 4 december 2026 hebben we voor het eerst" in render(context)[1]) is been


def test_keylane_is_not_asked_again_for_a_reference_that_is_known(occasion):
    to = LetterTo("keylane_handover", "keylane")
    unknown = occasion(to, "nl", handover__keylane_reference=None)
    known = occasion(to, "nl", handover__keylane_reference="KL-77")._replace(earlier=1)

    first, again = (render(DOMAIN.letter_context(told))[1] for told in (unknown, known))

    assert ("Stuur ons jullie kenmerk" in first, "vorige overdracht" in first) == (True, False)
    assert ("Stuur ons jullie kenmerk" in again, "vorige overdracht" in again) == (False, True)
    assert "Jullie kenmerk: KL-77" in again
    assert ("vóór" in first, "vóór" in again) == (True, False)  # nobody waits for a reference that is known
    assert "Alleen als jullie kenmerk verandert" in again


def test_a_check_that_would_have_been_in_the_past_is_not_announced(occasion):
    late = occasion(LetterTo("coupling_confirmed", "asr"), "nl")._replace(today=date(2026, 12, 11))

    context = DOMAIN.letter_context(late)

    assert context["first_check_on"] == ""
    assert "Controle" not in render(context)[1]


@pytest.mark.parametrize(("language", "dga"), [("nl", "de DGA"), ("en", "the DGA")])
def test_a_reason_that_names_a_dga_is_mailed_without_the_name(occasion, language, dga):
    dgas = [{"name": "A. den Fictief", "employee_number": "1"}, {"name": None, "employee_number": None}]
    asked = occasion(LetterTo("returned_to_applicant", "applicant"), language, registration__dgas=dgas)
    told = asked._replace(reason="Het nummer van a.  den fictief (de heer A. den Fictiefs) klopt niet")

    context = DOMAIN.letter_context(told._replace(returned_on=date(2026, 11, 20)))

    said = f"Het nummer van {dga} (de heer A. den Fictiefs) klopt niet"
    assert context["reason"] == said
    assert any(said in item for item in context["open_items"])


@pytest.mark.parametrize("pair", LETTERS, ids=named)
@pytest.mark.parametrize("misplaced", ["Jansen bakkerij", "BSN111.222.333"])
def test_no_letter_says_of_keylanes_reference_that_it_is_hidden(occasion, pair, misplaced):
    hidden = occasion(*pair, handover__keylane_reference=misplaced)._replace(reason=None)

    _, body = render(DOMAIN.letter_context(hidden))

    assert "•" not in body.replace("9999•••••L01", "")
    assert not re.search("Kenmerk bij Keylane|Jullie kenmerk|Keylane's reference", body)


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_an_employer_without_a_name_that_may_be_told_is_named_in_whole_sentences(occasion, pair):
    """Also to an accountant, whose company it is not."""
    numbered, unnamed = (
        DOMAIN.letter_context(occasion(*pair, **SOLE_TRADER, registration__loket_employer_id=number))
        for number in ("9900001", None)
    )

    said = {"nl": ("werkgever 9900001", "deze werkgever"), "en": ("employer 9900001", "this employer")}
    assert (numbered["company"], unnamed["company"]) == said[pair[1]]
    assert not re.search("[kK]oppeling deze|coupling this", render(unnamed)[0])


def test_a_long_name_is_cut_in_the_subject_only(occasion):
    name = "Coöperatieve Vereniging tot Instandhouding van Fictieve Testbedrijven"

    context = DOMAIN.letter_context(
        occasion(LetterTo("invitation", "applicant"), "nl", registration__company_name=name)
    )
    subject, body = render(context)

    assert len(context["company_short"]) <= 40
    assert name not in subject
    assert name in body


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_a_long_name_gives_way_to_the_reference_where_a_list_of_mails_would_cut_it_off(occasion, pair):
    name = "Coöperatieve Vereniging tot Instandhouding van Fictieve Testbedrijven"
    long = occasion(*pair, registration__company_name=name)._replace(working_days=30)

    for told in (long, long._replace(earlier=1), long._replace(problems=())):
        subject, _ = render(DOMAIN.letter_context(told))

        assert len(subject) <= 78 or "Coöperatieve Verenig..." in subject  # of a name so much stays
        assert subject.endswith(" [K-7Q2M-4XZ9]")
        assert ("Coöperat" in subject) == ("..." in subject)


@pytest.mark.parametrize("pair", LETTERS, ids=named)
def test_a_number_in_a_name_stands_in_a_subject_whole_or_not_at_all(occasion, pair):
    for name in ("Bakkerij " + "x" * n + " 1234 B.V." for n in range(40)):
        subject, _ = render(DOMAIN.letter_context(occasion(*pair, registration__company_name=name)))

        assert "1234" in subject or not re.search(r"x[ 0-9]*[0-9]\.\.\.", subject)


def test_the_applicant_is_mailed_in_punycode_and_the_others_as_settings_say(case):
    facts = case(registration__email="loon@bäckerei-müller.example")

    assert DOMAIN.recipient("applicant", facts) == "loon@xn--bckerei-mller-bfb28a.example"
    assert DOMAIN.recipient("applicant", case(registration__email="geen adres")) is None
    assert DOMAIN.recipient("applicant", {}) is None
    assert DOMAIN.recipient("asr", facts) is None


def test_only_the_applicant_chooses_a_language(case):
    english = case(registration__language="en")

    assert DOMAIN.language("applicant", english) == "en"
    assert DOMAIN.language("applicant", {}) == "nl"
    assert DOMAIN.language("keylane", english) == "nl"


APPLICANT, OPERATIONS = (
    problem(Code.RIGHTS_MISSING, "r", rights=["x"]),
    problem(Code.NAME_DUPLICATE, "n", references=[]),
)
ASR, KEYLANE = problem(Code.POLICY_MISSING, "p"), problem(Code.CONTACT_DATE_MISSING, "c")
INFO = problem(Code.EMAIL_IDN, "e")


@pytest.mark.parametrize(
    ("state", "open_ones", "waits_for"),
    [
        ("rights_pending", (OPERATIONS, APPLICANT), "de aanvrager"),
        ("rights_pending", (OPERATIONS,), ""),
        ("rights_pending", (INFO, OPERATIONS), ""),
        ("rights_pending", (), ""),  # nobody else can move it on
        ("registered", (ASR, OPERATIONS, APPLICANT), "a.s.r."),
        ("registered", (), "a.s.r."),  # who moves it on themselves
        ("registered", (OPERATIONS, APPLICANT), "de aanvrager"),
        ("keylane_configuring", (KEYLANE,), "Keylane"),
        ("keylane_configuring", (OPERATIONS,), ""),
        ("keylane_configuring", (), ""),
    ],
)
@pytest.mark.parametrize("letter", ["escalation", "withdraw_question"])
def test_operations_are_told_whom_a_case_waits_for_and_when_that_is_themselves(
    occasion, letter, state, open_ones, waits_for
):
    told = occasion(LetterTo(letter, "operations"), "nl")._replace(state=state, problems=open_ones)

    _, body = render(DOMAIN.letter_context(told))

    assert ("jullie eigen besluit." in body) == (not waits_for)
    assert ("werkdagen op " in body) == bool(waits_for)
    if waits_for:
        assert f" werkdagen op {waits_for.rstrip('.')}." in body
    assert ("Neem contact op met" in body) == (bool(waits_for) and letter == "escalation")
    assert ("niets meer open" in body) == (not waits_for and not open_ones)


OF_APPLICANT, OF_KEYLANE = "De Loket.nl-gebruiker heeft", "De datum van het eerste contact"
OF_ASR, OF_OPERATIONS = "Er is nog geen polis", "Een oudere aanvraag"


@pytest.mark.parametrize(
    ("letter", "state", "open_ones", "waits_for", "asked"),
    [
        ("reminder_applicant", "rights_pending", (APPLICANT, OPERATIONS), "", {OF_APPLICANT}),
        ("reminder_applicant", "rights_pending", (OPERATIONS,), "ons", set()),
        ("reminder_applicant", "rights_pending", (), "ons", set()),
        ("reminder_keylane", "keylane_configuring", (KEYLANE, APPLICANT, OPERATIONS), "", {OF_KEYLANE}),
        ("reminder_keylane", "enriched", (APPLICANT,), "de aanvrager", set()),
        ("reminder_keylane", "enriched", (ASR,), "ons", set()),
        ("reminder_keylane", "enriched", (OPERATIONS,), "ons", set()),
        ("reminder_keylane", "enriched", (), "ons", set()),
        ("reminder_asr", "registered", (ASR, APPLICANT), "", {OF_ASR}),
        ("reminder_asr", "registered", (), "", set()),  # to move it on
        ("reminder_asr", "registered", (APPLICANT,), "de aanvrager", set()),
        ("reminder_asr", "registered", (OPERATIONS,), "de uitvoering", set()),
    ],
)
def test_a_reminder_says_whom_its_case_waits_for_and_asks_only_for_what_is_its_readers(
    occasion, letter, state, open_ones, waits_for, asked
):
    to = next(to for to in EMPLOYER_COUPLING.letters() if to.letter == letter)
    told = occasion(to, "nl")._replace(state=state, problems=open_ones)

    context = DOMAIN.letter_context(told)
    subject, body = render(context)

    texts = (OF_APPLICANT, OF_ASR, OF_KEYLANE, OF_OPERATIONS)
    assert context["waits_for"] == waits_for
    assert {text for text in texts if f"- {text}" in body} == asked
    assert ("erinnering" in subject, "niets te doen" in body) == ((True, False) if not waits_for else (False, True))
    assert ("vóór 30 november 2026" in body) == (not waits_for)
    if waits_for and to.role != "applicant":
        assert f"wacht op {waits_for}" in subject
        assert f"wacht nu op {waits_for}." in body


def test_asr_and_operations_read_by_name_what_others_must_do_and_not_as_asked_of_them(occasion):
    open_ones = (APPLICANT, OPERATIONS, ASR)
    letters = {"reminder_asr": "asr", "escalation": "operations", "enrichment_requested": "asr"}
    told = [
        render(DOMAIN.letter_context(occasion(LetterTo(*to), "nl")._replace(state="registered", problems=open_ones)))[1]
        for to in letters.items()
    ]

    for (letter, role), body in zip(letters.items(), told, strict=True):
        assert "- Bij de aanvrager: De Loket.nl-gebruiker heeft deze rechten nog niet: x." in body, letter
        assert "Zet ze aan" not in body
        assert ("Leg minstens één polis vast" in body, "- Bij a.s.r.: Er is nog" in body) == (
            role == "asr",
            role != "asr",
        )
        assert ("accepteer dan" in body) == (role == "operations")


def test_the_polis_data_that_are_complete_are_not_asked_for(occasion):
    complete = occasion(LetterTo("reminder_asr", "asr"), "nl")._replace(problems=())

    subject, body = render(DOMAIN.letter_context(complete))

    assert "aanvullen" not in subject + body
    assert "De polisgegevens zijn compleet." in body
    assert "Zet de zaak door: schakel advance K-7Q2M-4XZ9 enrich" in body


def test_a_day_is_asked_for_only_where_an_answer_spares_the_reader_a_reminder(occasion):
    to = LetterTo("rights_missing", "applicant")

    pending, at_keylane = (
        render(DOMAIN.letter_context(occasion(to, "nl")._replace(state=state)))[1]
        for state in ("rights_pending", "enriched")
    )

    assert ("het liefst vóór" in pending, "het liefst vóór" in at_keylane) == (True, False)


@pytest.mark.parametrize(
    ("letter", "role", "language", "said"),
    [
        (
            "enrichment_requested",
            "asr",
            "nl",
            "- Het raamwerkcontractnummer begint niet met A020, zoals doorgaans wel.\n",
        ),
        (
            "registration_received",
            "applicant",
            "nl",
            "- Het raamwerkcontractnummer begint niet met A020, zoals doorgaans wel.\n",
        ),
        (
            "registration_received",
            "applicant",
            "en",
            "- The framework contract number does not begin with A020, as it usually does.\n",
        ),
    ],
)
def test_a_warning_that_was_accepted_is_told_and_not_asked(occasion, letter, role, language, said):
    told = occasion(LetterTo(letter, role), language)._replace(accepted=(problem(Code.RW_PREFIX, "r"),), problems=())

    _, body = render(DOMAIN.letter_context(told))

    assert said in body
    assert "Kijk het na" not in body
    assert "Check it" not in body


def test_what_needs_no_answer_is_not_asked_for(occasion):
    to = next(to for to in EMPLOYER_COUPLING.letters() if to.letter == "reminder_applicant")
    only_info = occasion(to, "nl")._replace(problems=(problem(Code.EMAIL_IDN, "registration.email"),))

    context = json.loads(json.dumps(DOMAIN.letter_context(only_info)))

    assert context["open_items"] == []
    assert "Je hoeft nu niets te doen" in Renderer(DESK).render("reminder_applicant", "nl", context).text


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("letter", ["reminder_applicant", "reminder_applicant_second"])
def test_an_applicant_whose_case_was_returned_is_never_told_that_there_is_nothing_to_do(occasion, letter, language):
    to = next(to for to in EMPLOYER_COUPLING.letters() if to.letter == letter)
    returned = occasion(to, language)._replace(problems=(), returned_on=date(2026, 11, 16))

    subject, body = render(DOMAIN.letter_context(returned))
    _, unexplained = render(DOMAIN.letter_context(returned._replace(reason=None)))

    asked = {"nl": "Je correctie: wij stuurden", "en": "Your correction: we returned"}[language]
    assert {"nl": "Tweede herinnering: de koppeling", "en": "Second reminder"}[language] in subject or (
        {"nl": "Herinnering: rond", "en": "Reminder"}[language] in subject
    )
    assert asked in body
    assert asked in unexplained
    assert "Het contract hoort bij een ander" in body
    assert "123456782" not in body
    assert {"nl": "niets te doen", "en": "all there"}[language] not in body + unexplained


@pytest.mark.parametrize("letter", ["escalation", "withdraw_question", "reminder_asr"])
def test_the_others_read_that_a_case_was_returned_and_why(occasion, letter):
    to = next(to for to in EMPLOYER_COUPLING.letters() if to.letter == letter)

    _, body = render(DOMAIN.letter_context(occasion(to, "nl")._replace(problems=(), returned_on=date(2026, 11, 16))))

    said = " ".join(body.split())
    assert "De correctie: de zaak is teruggestuurd op 16 november 2026. De reden: Het contract hoort bij een" in said
    assert "jullie eigen besluit" not in said
    assert ("wacht nu 5 werkdagen op de aanvrager" in said) == (letter != "reminder_asr")


def test_asr_is_not_told_that_the_applicant_has_a_letter_that_may_never_arrive(occasion):
    to = next(to for to in EMPLOYER_COUPLING.letters() if (to.letter, to.role) == ("coupling_confirmed", "asr"))

    _, body = render(DOMAIN.letter_context(occasion(to, "nl")))

    assert "De aanvrager krijgt deze bevestiging ook." in body
