"""Each letter, read back by Python's email package, is what was built; the same row gives the same bytes."""

from __future__ import annotations

import email
import email.policy
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from notifications.building import Builder, CannotBuild, header_text
from notifications.desk import Desk
from notifications.rendering import Renderer, templates
from notifications.samples import sample_context
from notifications.smtp import wire_bytes
from workflow.storage.letters import OutboxRow

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DESK = Desk(
    "koppelingen@asr.example",
    reply_to="team@asr.example",
    team_name="Team “Salaris” & koppeling",
    team_phone="030 000 0000",
    form_url="https://form.example",
)
LETTERS = sorted(templates())
every_letter = pytest.mark.parametrize(("letter", "language"), LETTERS)
FIRST = "<letter.1.K-7Q2M-4XZ9@asr.example>"


def row(letter: str = "invitation", language: str = "nl", *, role: str | None = None, **changes) -> OutboxRow:
    """A claimed letter with a sample context; `changes` are of the row, or of its context."""
    context = sample_context(letter, language, role)
    fields = {name: changes.pop(name) for name in list(changes) if name in OutboxRow.__dataclass_fields__}
    made = OutboxRow(
        id=12,
        case_id=3,
        case=context["reference"] or None,
        seq=1,
        letter=letter,
        role=context["role"],
        language=language,
        recipient="sam@example.com",
        state="claimed",
        reason=None,
        context=json.dumps(context | changes),
        created_at=NOW,
        due_at=NOW,
        attempts=0,
        token="t",
        lease_until=None,
        message_id=None,
        subject=None,
        message=None,
        sha256=None,
        finished_at=None,
        merged_into=None,
        is_reminder=False,
        event="5f" * 32,
        first_message_id=None,
    )
    return replace(made, **fields)


def build(letter: OutboxRow, desk: Desk = DESK, now: datetime = NOW) -> OutboxRow:
    return Builder(desk).build(letter, now)


def read(built: OutboxRow) -> EmailMessage:
    message = email.message_from_bytes(built.message or b"", policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    (found,) = [one for one in message.walk() if one.get_content_type() == kind]
    return str(found.get_content()).replace("\r\n", "\n")


@every_letter
def test_both_parts_come_back_as_they_were_rendered(letter, language):
    built = build(row(letter, language))
    message = read(built)
    rendered = Renderer(DESK).render(letter, language, sample_context(letter, language))

    assert part(message, "text/plain") == rendered.text
    assert part(message, "text/html") == rendered.html
    assert message["Subject"] == built.subject == rendered.subject
    assert [one.get_content_charset() for one in message.walk() if one.get_content_maintype() == "text"][:2] == [
        "utf-8",
        "utf-8",
    ]
    assert not [defect for one in message.walk() for defect in one.defects]


@every_letter
def test_every_letter_has_the_headers_it_needs_once(letter, language):
    built = build(row(letter, language, first_message_id=FIRST))
    message = read(built)
    reference = sample_context(letter, language)["reference"]

    assert len(message.keys()) == len(set(message.keys()))
    assert getaddresses([message["From"]]) == [("Team “Salaris” & koppeling", "koppelingen@asr.example")]
    assert getaddresses([message["To"]]) == [("", "sam@example.com")]
    assert message["Reply-To"] == "team@asr.example"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == built.message_id
    assert re.fullmatch(rf"<letter\.12\.{reference or 'digest'}\.[0-9a-f]{{16}}@asr\.example>", built.message_id or "")
    assert message["In-Reply-To"] == message["References"] == FIRST
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert message["Content-Language"] == language
    assert (f"[{reference}]" in message["Subject"]) == bool(reference)


@every_letter
def test_the_bytes_are_seven_bit_and_every_line_is_short_and_ends_in_crlf(letter, language):
    message = build(row(letter, language)).message or b""

    assert message.isascii()
    assert max(map(len, message.split(b"\r\n"))) <= 78
    assert wire_bytes(message) == message


@every_letter
def test_the_same_row_at_the_same_moment_becomes_the_same_bytes(letter, language):
    one, other = build(row(letter, language)), build(row(letter, language))

    assert one == other
    assert one.sha256 == sha256(one.message or b"").hexdigest()


def test_a_letter_that_was_built_stays_as_it_was():
    built = build(row())

    assert build(built, now=NOW + timedelta(days=1)) is built


def test_the_first_letter_of_a_case_answers_nothing():
    built = build(row())

    assert read(built)["References"] is None
    assert read(build(row(first_message_id=built.message_id)))["In-Reply-To"] is None


@pytest.mark.parametrize("case", ["K-7Q2M-4XZ9", None])
@pytest.mark.parametrize(
    "other",
    [
        {"created_at": NOW + timedelta(microseconds=1)},
        {"letter": "case_withdrawn"},
        {"role": "operations"},
        {"language": "en"},
        {"event": "60" * 32},
        {"id": 13},
        {"case": "K-3F8N-P1TC"},
    ],
)
def test_two_letters_share_no_message_id_also_when_one_was_written_after_a_copy_was_put_back(case, other):
    mine = row(case=case)

    assert build(replace(mine, **other)).message_id != build(mine).message_id


def test_a_message_id_says_nothing_of_the_words_which_may_be_erased():
    assert build(row(salutation="Beste Sam", company="A")).message_id == build(row(salutation="Hallo")).message_id


def test_a_letter_that_is_tried_again_keeps_its_message_id_whatever_became_of_its_sender_or_its_words():
    before = build(row()).message_id
    again = row(message_id=before, company="…", attempts=1)

    assert build(again, replace(DESK, sender="koppelingen@nieuw.example"), NOW + timedelta(days=2)).message_id == before
    assert build(row(message_id=FIRST)).message_id == FIRST  # as versions before gave it


@pytest.mark.parametrize("altered", ["<a@b>\r\nBcc: evil@example.com", "<é@b>", "x", "<a b@c>", "<@>", 7])
def test_a_message_id_that_was_altered_into_what_no_header_may_hold_is_not_taken(altered):
    mine, other = build(row(message_id=altered)), build(row(first_message_id=altered))

    assert (mine.message_id, other.message_id) == (build(row()).message_id, build(row()).message_id)
    assert mine.message == other.message == build(row()).message


def test_what_is_not_set_is_left_out():
    message = read(build(row(), Desk("koppelingen@asr.example")))

    assert message["Reply-To"] is None
    assert message["From"] == "koppelingen@asr.example"
    assert "Kenmerk: K-7Q2M-4XZ9" in part(message, "text/plain")


@pytest.mark.parametrize(("language", "sequence"), [("nl", 0), ("en", 2)])
def test_a_confirmation_carries_the_day_of_the_first_exchange_for_the_calendar(language, sequence):
    message = read(build(row("coupling_confirmed", language, sequence=sequence)))

    (attached,) = message.iter_attachments()
    calendar = Calendar.from_ical(attached.get_payload(decode=True))
    (event,) = calendar.walk("VEVENT")
    assert message.get_content_type() == "multipart/mixed"
    assert attached.get_content_type() == "text/calendar"
    assert attached.get_param("method") == calendar["METHOD"] == "PUBLISH"
    assert attached.get_filename().endswith(".ics")
    assert event.decoded("DTSTART") == date(2026, 12, 4)
    assert event.decoded("DTEND") == date(2026, 12, 5)
    assert event.decoded("DTSTAMP") == NOW
    assert event["UID"] == "first-exchange.K-7Q2M-4XZ9@asr.example"
    assert event["SEQUENCE"] == sequence
    assert "K-7Q2M-4XZ9" in event["SUMMARY"]
    assert "Drie Dennen" not in calendar.to_ical().decode()


def test_only_the_applicant_gets_the_calendar_file_and_only_with_a_day():
    assert not [*read(build(row("coupling_confirmed", role="asr"))).iter_attachments()]
    without = read(build(row("coupling_confirmed", first_exchange_iso="")))
    assert not [*without.iter_attachments()]
    assert "agenda" not in part(without, "text/plain")


@pytest.mark.parametrize(
    ("language", "to_come", "has_been"),
    [
        ("nl", "wisselen we voor het eerst gegevens uit", "hebben we voor het eerst gegevens uitgewisseld"),
        ("en", "we exchange data", "we exchanged data"),
    ],
)
@pytest.mark.parametrize(("sequence", "days", "past"), [(0, 0, False), (0, 1, True), (1, 0, False), (1, 1, True)])
@pytest.mark.parametrize("written_before_it_was_in_the_context", [False, True])
def test_a_confirmation_that_leaves_after_the_first_exchange_says_that_it_has_been(
    language, to_come, has_been, sequence, days, past, written_before_it_was_in_the_context
):
    letter = row("coupling_confirmed", language, sequence=sequence)
    if written_before_it_was_in_the_context:
        context = json.loads(letter.context)
        del context["exchanged"]
        letter = replace(letter, context=json.dumps(context))

    message = read(build(letter, now=datetime(2026, 12, 4 + days, 8, tzinfo=UTC)))

    text = part(message, "text/plain")
    assert (to_come in text, has_been in text) == (not past, past)
    assert bool(re.search("Tot 4 december|Until 4 December|Daarna|After that", text)) is not past
    moves_an_older_day = bool(sequence)
    for about_the_calendar in (re.search("Handig:|Tip:", text), [*message.iter_attachments()]):
        assert bool(about_the_calendar) is (moves_an_older_day or not past)


def test_a_hostile_name_shows_as_itself_and_adds_no_header():
    name = '"De Gouden Leeuw" & Zn. <b>\r\nBcc: a@b.example\r\n\r\n--=_alternative--'

    message = read(build(row(company=name, company_short=name)))

    shown = '"De Gouden Leeuw" & Zn. <b> Bcc: a@b.example --=_alternative--'
    assert message["Subject"].startswith('Salariskoppeling van "De Gouden Leeuw" & Z')  # it is cut to fit
    assert shown in part(message, "text/plain")
    assert message["Bcc"] is None
    assert [one.get_content_type() for one in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize(
    "address",
    ["a@b.example, c@d.example", "Sam <a@b.example>", "a@b.example\r\nBcc: c@d.example", "a", '"a b"@b.example'],
)
def test_a_recipient_is_one_address_or_there_is_no_letter(address):
    with pytest.raises(CannotBuild, match="Letter 12 cannot be built") as caught:
        build(row(recipient=address))
    assert "b.example" not in str(caught.value)


def test_addresses_stand_in_punycode_and_a_row_without_one_is_built_without_to():
    assert read(build(row(recipient="a@bäcker.example")))["To"] == "a@xn--bcker-gra.example"
    assert read(build(row(recipient=None)))["To"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"letter": "no_such"}, "there is no letter 'no_such'"),
        ({"language": "fr"}, "in language 'fr'"),
        ({"context": "{}"}, "is undefined"),
        ({"context": "not json"}, "from its context"),
        ({"context": "[]"}, "cannot be rendered"),
    ],
)
def test_what_cannot_be_built_says_which_letter_and_why(change, said):
    with pytest.raises(CannotBuild, match=f"Letter 12 .*{said}"):
        build(replace(row(), **change))


@pytest.mark.parametrize("iso", ["2026-13-01", 5])
def test_a_day_that_is_none_cannot_be_built(iso):
    with pytest.raises(CannotBuild, match=r"Letter 12 \(coupling_confirmed\)"):
        build(row("coupling_confirmed", first_exchange_iso=iso))


TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters="\ufeff") | st.just(" ")
)


@given(TEXT)
def test_any_subject_comes_back_as_it_was(text):
    subject = " ".join(text.split())

    message = email.message_from_bytes(b"Subject: " + header_text(subject) + b"\r\n\r\n", policy=email.policy.default)

    assert message["Subject"] == subject
    assert all(len(line) <= 220 for line in header_text(subject).split(b"\r\n"))


BUILDER, RENDERER = Builder(DESK), Renderer(DESK)


@given(st.text(), st.text())
def test_any_name_and_reason_come_back_as_they_were_shown(name, reason):
    letter = row("case_withdrawn", company=name, company_short=name, reason=reason)

    message = read(BUILDER.build(letter, NOW))

    rendered = RENDERER.render("case_withdrawn", "nl", json.loads(letter.context))
    assert part(message, "text/plain") == rendered.text
    assert part(message, "text/html") == rendered.html
    assert (BUILDER.build(letter, NOW).message or b"").isascii()
