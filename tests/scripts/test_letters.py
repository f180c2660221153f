"""What the commands on letters do and say, for one letter and for many."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from looking import bare, look
from sink import Sink

from notifications.recorder import Recorder
from tests.scripts.desk import GOOD, Desk
from workflow.clock import format_time
from workflow.storage import letters, open_database
from workflow.storage.letter_states import LetterState


def settle(desk: Desk, *numbers: int, state: LetterState = LetterState.FAILED, why: str | None = None) -> None:
    """Give letters a state, as a delivery would."""
    database = open_database(desk.environ["SCHAKEL_DATABASE_URL"])
    with database.writing() as store:
        for number in numbers:
            row = letters.letter_by_id(store, number)
            assert row is not None
            done = letters.settling(store, row, state, expected=(row.state,), now=desk.clock.now(), reason=why)
            assert done()
    database.dispose()


@pytest.fixture
def three(desk: Desk) -> Desk:
    """Three cases that were invited: letters 1, 2 and 3."""
    for external in ("E06", "E07", "E08"):
        desk.open(external)
    return desk


@pytest.fixture
def three_anywhere(bare_desk: Desk, url: str) -> Desk:
    """The same three, once on SQLite and once on PostgreSQL."""
    bare_desk.environ["SCHAKEL_DATABASE_URL"] = url
    del bare_desk.environ["SCHAKEL_SETTINGS"]
    for external in ("E06", "E07", "E08"):
        bare_desk.open(external)
    return bare_desk


def states(desk: Desk) -> list[str]:
    return [row["state"] for row in desk.ask("mail list")]


def test_correcting_an_address_says_which_letters_failed_and_how_to_send_them_again(three: Desk) -> None:
    settle(three, 1, 2)
    case = three.ask("show E06")["case"]

    other = three.run("record E06 registration contact_name=Anna").stdout
    gone = three.run("record E06 registration email=").stdout
    put_right = three.run("record E06 registration email=goed06@example.com").stdout
    whole = three.run("record E08 registration email=goed08@example.com").stdout

    assert "Letters that failed before: 1 (invitation)." in put_right
    command = f"mail retry --failed --case {case}"
    assert f"To send them again: schakel {command}" in put_right
    assert 'schakel mail resolve ID --drop --reason "…"' in put_right
    assert not [said for said in (other, gone, whole) if "failed" in said]
    assert "1 letter was put back." in three.run(command).stdout


def test_one_letter_is_put_back_as_ever(three: Desk) -> None:
    settle(three, 2)

    assert three.ask("mail retry 2")["state"] == "pending"
    assert three.run("mail retry 1").stdout.splitlines()[0] == "Letter 1 (invitation) is pending now."


@pytest.mark.parametrize("first", ["--sent", "--resend"])
def test_of_two_who_decide_on_a_letter_the_second_is_told_what_the_first_made_of_it(
    three_anywhere: Desk, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    settle(three_anywhere, 1, state=LetterState.UNKNOWN)
    run_now = Recorder.run_now

    def late(recorder: Recorder, *words: Any) -> Any:
        monkeypatch.setattr(Recorder, "run_now", run_now)
        three_anywhere.ask(f"mail resolve 1 {first} --reason gevraagd")
        return run_now(recorder, *words)

    monkeypatch.setattr(Recorder, "run_now", late)
    refused = three_anywhere.ask("mail resolve 1 --sent --reason gevraagd", code=5)

    now = {"--sent": "sent", "--resend": "pending"}[first]
    assert refused["message"] == f"Letter 1 is {now}: only an unknown one waits for a decision."


def test_a_letter_that_becomes_part_of_another_while_it_is_put_back_is_said_to_be(
    bare_desk: Desk, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL: a worker holds it when the command looks, and makes it part of another before it writes."""
    bare_desk.environ["SCHAKEL_DATABASE_URL"] = postgres_url
    del bare_desk.environ["SCHAKEL_SETTINGS"]
    bare_desk.open("E06")
    settling = letters.settling

    def late(*words: Any, **how: Any) -> letters.Answer:
        with bare(postgres_url) as connection:
            connection.execute("UPDATE outbox SET state = 'merged' WHERE id = 1")
        return settling(*words, **how)

    monkeypatch.setattr(letters, "settling", late)

    refused = bare_desk.ask("mail retry 1", code=5)

    assert refused["message"] == "Letter 1 is merged: only a failed or pending one can be tried again."


@pytest.mark.parametrize("words", ["1 1", "1 2", "--failed", "--failed --case E06"])
def test_what_was_asked_alone_says_whether_the_answer_is_an_array(three: Desk, words: str) -> None:
    settle(three, 1)

    answer = three.ask(f"mail retry {words}")

    assert [row["id"] for row in answer] == ([1, 2] if words == "1 2" else [1])
    assert three.run("mail retry 1 1").stdout.splitlines()[:2] == [
        "✓ Letter 1 (invitation) is pending now.",
        "1 letter was put back.",
    ]


def test_several_letters_are_put_back_each_with_a_line_and_the_refused_ones_named(three: Desk) -> None:
    settle(three, 1, 3)
    settle(three, 2, state=LetterState.SENT)

    said = three.run("mail retry 1 2 3")

    assert said.exit_code == 5
    assert said.stdout.splitlines() == [
        "✓ Letter 1 (invitation) is pending now.",
        "✗ Letter 2 is sent: only a failed or pending one can be tried again.",
        "✓ Letter 3 (invitation) is pending now.",
        "2 letters were put back, 1 was refused.",
        "Next: schakel tick (or the worker sends them)",
    ]
    assert states(three) == ["pending", "sent", "pending"]


def test_several_letters_are_a_list_in_json(three: Desk) -> None:
    settle(three, 1)
    settle(three, 2, state=LetterState.SENT)

    first, second = three.ask("mail retry 1 2", code=5)

    assert (first["id"], first["state"], "error" in first) == (1, "pending", False)
    assert (second["id"], second["state"], second["error"]) == (2, "sent", "refused")
    assert "only a failed or pending one" in second["message"]


def test_a_number_that_no_letter_has_ends_it_before_anything_is_put_back(three: Desk) -> None:
    settle(three, 1)

    assert three.ask("mail retry 1 99", code=3)["error"] == "no_such_case"
    assert states(three)[0] == "failed"


def test_all_that_failed_are_put_back_at_once_or_those_of_a_case(three: Desk) -> None:
    settle(three, 1, 3)

    of_one = three.ask("mail retry --failed --case E08")
    of_all = three.run("mail retry --failed").stdout
    none = three.run("mail retry --failed")

    assert [row["id"] for row in of_one] == [3]
    assert "1 letter was put back." in of_all.splitlines()
    assert (none.exit_code, none.stdout) == (0, "No letter failed.\n")
    assert three.ask("mail retry --failed") == []
    assert states(three) == ["pending"] * 3


@pytest.mark.parametrize("words", ["--failed", "1 2 3"])
@pytest.mark.parametrize(
    "altered", ["facts = '{'", "progress = '[]'", "seq = -1", "external_reference = NULL, reference = 'K-0'"]
)
def test_a_letter_whose_case_was_altered_keeps_none_of_the_others_back(
    three_anywhere: Desk, words: str, altered: str
) -> None:
    three = three_anywhere
    settle(three, 1, 2, 3)
    with bare(three.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute(f"UPDATE cases SET {altered} WHERE id = 2")

    said = three.run(f"mail retry {words}")

    assert said.exit_code == (3 if "K-0" in altered else 8)
    assert [line[:3] for line in said.stdout.splitlines() if line[0] in "✓✗"] == ["✓ L", "✗ T", "✓ L"]
    assert "2 letters were put back, 1 could not be." in said.stdout
    assert states(three) == ["pending", "failed", "pending"]


def test_the_exit_of_many_letters_is_that_of_the_worst_and_json_says_which_is_which(three: Desk) -> None:
    settle(three, 1, 3)
    settle(three, 2, state=LetterState.SENT)
    with bare(three.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute("UPDATE cases SET facts = '{' WHERE id = 1")

    altered, sent, back = three.ask("mail retry 1 2 3", code=8)

    assert (altered["error"], sent["error"], "error" in back) == ("history", "refused", False)
    assert "somebody altered it" in altered["message"]
    assert (altered["state"], sent["state"], back["state"]) == ("failed", "sent", "pending")
    assert "1 letter was put back, 1 was refused, 1 could not be." in three.run("mail retry 1 2 3").stdout


def test_all_that_wait_for_their_next_try_are_due_now_and_no_others(three_anywhere: Desk, url: str) -> None:
    three, later = three_anywhere, format_time(three_anywhere.clock.now() + timedelta(hours=3))
    settle(three, 1)
    three.open("E09", registration=GOOD["registration"] | {"email": ""})  # a letter without an address
    with bare(url) as connection:
        connection.execute(f"UPDATE outbox SET due_at = '{later}', attempts = 2 WHERE id > 1")

    of_one = three.ask("mail retry --waiting --case E08")
    others = three.run("mail retry --waiting").stdout
    none = three.run("mail retry --waiting")
    due = look(url, f"SELECT id, attempts FROM outbox WHERE due_at < '{later}' AND id > 1 ORDER BY id")

    assert [row["id"] for row in of_one] == [3]
    assert "1 letter was put back." in others.splitlines()
    assert (none.exit_code, none.stdout) == (0, "No letter waits for its next try.\n")
    assert [tuple(row.values()) for row in due] == [(2, 2), (3, 2)]


@pytest.mark.parametrize("words", ["", "1 --failed", "1 --case E06", "--case E06", "1 --waiting", "--failed --waiting"])
def test_what_to_put_back_is_said_in_one_way(three: Desk, words: str) -> None:
    assert three.ask(f"mail retry {words}", code=2)["error"] == "usage"


@pytest.mark.parametrize(("count", "todo"), [(1, "schakel mail retry ID"), (2, "schakel mail retry --failed")])
def test_doctor_advises_what_fits_the_number_that_failed(three: Desk, count: int, todo: str) -> None:
    three.ask("init")
    settle(three, *range(1, count + 1))

    (told,) = [found for found in three.ask("doctor")["checks"] if "failed for good" in found["message"]]

    assert f"{todo} (or" in told["todo"]


@pytest.mark.parametrize("decision", ["--sent", "--resend"])
@pytest.mark.parametrize("altered", ["seq = seq - 1", "facts = '{'"])
def test_of_a_letter_about_several_cases_the_one_that_was_altered_is_named(
    three_anywhere: Desk, url: str, decision: str, altered: str
) -> None:
    desk = three_anywhere
    desk.clock.moment += timedelta(days=9)
    desk.ask("tick")
    digest = desk.ask("mail list")[-1]["id"]
    settle(desk, digest, state=LetterState.UNKNOWN)
    case = look(url, "SELECT reference FROM cases WHERE id = 2")[0]["reference"]
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET {altered} WHERE id = 2")

    refused = desk.ask(f"mail resolve {digest} {decision} --reason gevraagd", code=8)

    assert f"The history of {case} cannot be read: somebody altered it." in refused["message"]
    assert desk.ask(f"mail show {digest}")["state"] == "unknown"


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_letter_is_shown_as_wide_as_the_terminal(three: Desk, columns: str) -> None:
    """But for what cannot be broken, such as an address of the web."""
    database = open_database(three.environ["SCHAKEL_DATABASE_URL"])
    with database.writing() as store:
        row = letters.letter_by_id(store, 1)
        assert row is not None
        why = "rcpt: 451 4.7.1 Greylisting in action, please come back later"
        assert letters.settling(store, row, LetterState.FAILED, expected=(row.state,), now=row.created_at, reason=why)()
    database.dispose()

    for words in (
        "mail show 1",
        "mail preview invitation E06",
        "mail preview invitation",
        "mail preview daily_overview",
    ):
        said = three.run(words, COLUMNS=columns).stdout
        broken = [line for line in said.splitlines() if len(line) > int(columns) and " " in line.strip("- ")]
        assert broken == [], words


def test_the_text_of_a_letter_keeps_its_lines_and_lists(three: Desk) -> None:
    three.open("E09", loket_user={})  # whoever has to begin gets the whole list
    text, shown = three.ask("mail show 4")["text"], three.run("mail show 4").stdout

    assert " ".join(shown.partition("\n\n")[2].split()) == " ".join(text.split())
    assert shown.partition("\n\n")[2].count("\n\n") == text.count("\n\n")
    item = next(line for line in text.splitlines() if line.startswith("- ") and len(line) > 80)
    begins = shown.splitlines().index(next(line for line in shown.splitlines() if line.startswith(item[:40])))
    assert shown.splitlines()[begins + 1].startswith("  ")


def test_all_tries_are_counted_also_those_from_before_a_person_put_it_back(three: Desk) -> None:
    three.environ["SCHAKEL_MAIL_FROM"] = "koppeling@example.org"
    with Sink(answers={"salaris06@example.com": "451 4.7.1 later"}) as sink:
        three.environ["SCHAKEL_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        three.ask("tick")
        sink.answers["salaris06@example.com"] = "550 5.1.1 unknown"
        three.clock.moment += timedelta(minutes=6)
        three.ask("tick")
    again = three.ask("mail retry 1")

    listed = three.run("mail list").stdout.splitlines()

    assert again["attempts"] == 2
    assert [row["attempts"] for row in three.ask("mail list")] == [2, 2, 2]
    assert three.ask("mail show 1")["attempts"] == 2
    assert [line.split()[5] for line in listed] == ["TRIES", "2", "2", "2"]


def test_a_letter_that_waits_says_when_it_is_tried_next(three: Desk) -> None:
    three.environ["SCHAKEL_MAIL_FROM"] = "koppeling@example.org"
    first = three.run("mail show 1").stdout
    with Sink(answers={"salaris06@example.com": "451 4.7.1 later"}) as sink:
        three.environ["SCHAKEL_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        three.ask("tick")

    later = " ".join(three.run("mail show 1").stdout.split())

    assert "State    pending, written 2026-04-20 10:00, goes at the next pass" in first
    assert "next try at 2026-04-20 10:05" in later
    assert three.ask("mail show 1")["due_at"] == "2026-04-20T08:05:00.000000Z"
    settle(three, 2)
    assert "next try" not in three.run("mail show 2").stdout
    assert three.ask("mail show 2")["due_at"] is None


def test_why_a_letter_failed_is_in_the_list_too(three: Desk) -> None:
    settle(three, 2, why="rcpt: 550 5.1.1 unknown")

    assert [row["reason"] for row in three.ask("mail list")] == [None, "rcpt: 550 5.1.1 unknown", None]
    assert three.ask("mail show 2")["reason"] == "rcpt: 550 5.1.1 unknown"


def test_the_bytes_of_a_letter_are_one_document_too_and_missed_in_words_when_they_were_erased(three: Desk) -> None:
    raw = three.run("mail show 1 --raw").stdout
    shown = three.ask("mail show 1 --raw")

    assert shown["raw"].replace("\r\n", "\n") == raw.replace("\r\n", "\n") != ""
    assert (shown["id"], shown["letter"]) == (1, "invitation")

    three.ask("advance E06 withdraw --reason 'op verzoek'")
    three.ask("audit erase E06 --reason verzoek --ground 'AVG 17' --yes")
    gone = three.run("mail show 1 --raw")

    assert three.ask("mail show 1 --raw")["raw"] is None
    assert (gone.exit_code, gone.stdout) == (0, "")
    assert gone.stderr == "Letter 1 was erased: there are no bytes of it any more.\n"


def test_a_preview_is_written_for_its_owner_alone_and_over_nothing_unasked(three: Desk, tmp_path: Path) -> None:
    page, pipe = tmp_path / "page.html", tmp_path / "pipe"
    os.mkfifo(pipe)
    write = f"mail preview invitation E06 --html {page}"

    html = three.ask(write)["html"]

    assert (page.read_text("utf-8"), stat.S_IMODE(page.stat().st_mode)) == (html, 0o600)
    page.write_text("mine")
    page.chmod(0o644)
    said = three.ask(write, code=2)["message"]
    assert said == f"--html {page} exists; choose another name, or overwrite it with --force."
    assert page.read_text() == "mine"
    three.ask(f"{write} --force")
    assert (page.read_text("utf-8"), stat.S_IMODE(page.stat().st_mode)) == (html, 0o600)
    for place, why in {
        str(pipe): "is a pipe, not a file; choose another name.",
        str(tmp_path): "is a folder, not a file; choose another name.",
        f"{tmp_path}/no/a.html": f"cannot be written: there is no folder {tmp_path}/no.",
    }.items():
        assert (
            three.ask(f"mail preview invitation --html {place} --force", code=2)["message"] == f"--html {place} {why}"
        )
    assert "the name of a file" in three.ask("mail preview invitation --html -", code=2)["message"]
    assert pipe.is_fifo()
    assert sorted(tmp_path.glob("*.html")) == [page]
    assert list(tmp_path.glob(".page*")) == []


@pytest.mark.parametrize("reason", ["''", "' '"])
def test_a_decision_without_a_reason_says_what_is_missing(three: Desk, reason: str) -> None:
    settle(three, 1, state=LetterState.UNKNOWN)

    refused = three.ask(f"mail resolve 1 --sent --reason {reason}", code=5)

    assert [problem["code"] for problem in refused["problems"]] == ["REASON_MISSING"]
    assert states(three)[0] == "unknown"


@pytest.mark.parametrize(
    ("decision", "state", "summed"),
    [
        ("--sent", "sent", "2 letters were resolved as sent, 1 was refused."),
        ("--resend", "pending", "2 letters were put back, 1 was refused."),
        ("--drop", "cancelled", "2 letters were dropped, 1 was refused."),
    ],
)
def test_several_letters_are_decided_alike_and_one_that_was_decided_already_hinders_none(
    three_anywhere: Desk, decision: str, state: str, summed: str
) -> None:
    desk = three_anywhere
    settle(desk, 1, 3, state=LetterState.UNKNOWN)
    settle(desk, 2, state=LetterState.SENT)

    said = desk.run(f"mail resolve 1 2 3 {decision} --reason 'in het logboek gezien'")

    assert said.exit_code == 5
    assert [line[:10] for line in said.stdout.splitlines()[:4] if line[0] in "✓✗"] == [
        "✓ Letter 1", "✗ Letter 2", "✓ Letter 3",
    ]  # fmt: skip
    assert summed in said.stdout.splitlines()
    assert states(desk) == [state, "sent", state]
    for case in ("E06", "E08"):
        assert desk.ask(f"history {case} --full")[-1]["text"] == "in het logboek gezien"


def test_of_several_letters_decided_at_once_json_says_which_is_which_and_a_repeat_changes_nothing(three: Desk) -> None:
    settle(three, 1, 3, state=LetterState.UNKNOWN)

    first = three.ask("mail resolve 1 3 3 --sent --reason nagevraagd")
    before = three.ask("history E06")
    again = three.ask("mail resolve 1 3 --sent --reason nagevraagd", code=5)

    assert [(row["id"], row["state"], "error" in row) for row in first] == [(1, "sent", False), (3, "sent", False)]
    assert [(row["id"], row["state"], row["error"]) for row in again] == [
        (1, "sent", "refused"),
        (3, "sent", "refused"),
    ]
    assert three.ask("history E06") == before


@pytest.mark.parametrize(
    ("words", "code"),
    [("1 99 --sent --reason gezien", 3), ("1 3 --sent --reason 123456782", 5), ("--sent --reason x", 2)],
)
def test_what_is_wrong_with_all_of_a_decision_ends_it_before_any_is_made(three: Desk, words: str, code: int) -> None:
    settle(three, 1, 3, state=LetterState.UNKNOWN)

    refused = three.ask(f"mail resolve {words}", code=code)

    assert set(refused) >= {"error", "message"}
    assert states(three) == ["unknown", "pending", "unknown"]


@pytest.mark.parametrize("was", [LetterState.FAILED, LetterState.UNKNOWN, LetterState.PENDING])
def test_a_letter_that_need_not_arrive_any_more_is_dropped_for_good_by_who_says_why(
    three_anywhere: Desk, url: str, was: LetterState
) -> None:
    desk = three_anywhere
    if was is LetterState.PENDING:
        with bare(url) as connection:
            connection.execute("UPDATE outbox SET recipient = NULL WHERE id = 1")
    else:
        settle(desk, 1, state=was)
    case = desk.ask("mail show 1")["case"]

    dropped = desk.ask("mail resolve 1 --drop --reason ingetrokken --actor bob")

    assert (dropped["state"], dropped["reason"]) == ("cancelled", "dropped")
    event = desk.ask(f"history {case} --full")[-1]
    assert (event["kind"], event["actor"]) == ("letter_failed", "bob")
    assert (event["body"]["phase"], event["text"]) == ("resolved as not needed", "ingetrokken")
    with Sink() as sink:
        mail = {"SCHAKEL_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "SCHAKEL_MAIL_FROM": "schakel@example.org"}
        desk.environ |= mail
        assert desk.ask("tick")["letters"]["sent"] == 2
    for again in ("mail retry 1", "mail resolve 1 --drop --reason nogmaals", "mail resolve 1 --sent --reason toch"):
        assert desk.run(again).exit_code == 5, again


def test_a_letter_that_gets_its_address_while_it_is_dropped_is_not(
    three_anywhere: Desk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET recipient = NULL WHERE id = 1")
    run_now = Recorder.run_now

    def late(recorder: Recorder, *words: Any) -> Any:
        with bare(url) as connection:
            connection.execute("UPDATE outbox SET recipient = 'nieuw@example.com' WHERE id = 1")
        return run_now(recorder, *words)

    monkeypatch.setattr(Recorder, "run_now", late)
    refused = three_anywhere.ask("mail resolve 1 --drop --reason weg", code=5)

    assert refused["message"].startswith("Letter 1 is pending: only one that failed")
    assert states(three_anywhere)[0] == "pending"


def test_only_what_waits_for_nobody_else_can_be_dropped(three: Desk) -> None:
    refused = three.ask("mail resolve 1 --drop --reason weg", code=5)

    words = "only one that failed, is unknown or has no address can be dropped."
    assert refused["message"] == f"Letter 1 is pending: {words}"
    assert three.run("mail resolve 1 --drop --sent --reason weg").exit_code == 2
    assert states(three)[0] == "pending"


@pytest.mark.parametrize("sent", [True, False])
def test_a_name_that_turned_out_to_be_a_sole_traders_is_in_no_subject_that_is_shown(
    three_anywhere: Desk, sent: bool
) -> None:
    """Letter 4 was written when it was a company's, letter 5 when it was known to be a person's."""
    named = {"company_name": "Schilder Wouterus", "email": "schilder@example.com"}
    case = three_anywhere.open("E09", registration=named)
    with Sink() as sink:
        mail = {"SCHAKEL_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "SCHAKEL_MAIL_FROM": "schakel@example.org"}
        if sent:
            three_anywhere.run("tick", **mail)
            assert "van Schilder Wouterus" in three_anywhere.ask("mail show 4")["subject"]
        three_anywhere.ask("record E09 registration wage_tax_number=123456782L01 loket_employer_id=9900009")
        three_anywhere.ask("advance E09 withdraw --reason gestopt")
        if sent:
            three_anywhere.run("tick", **mail)

    listed = [row["subject"] for row in three_anywhere.ask("mail list --case E09")]
    shown = [three_anywhere.ask(f"mail show {number}")["subject"] for number in (1, 4, 5)]

    about = f"De aanvraag voor de salariskoppeling van werkgever 9900009 is gestopt [{case}]"
    assert listed == (["•••••", about] if sent else [None, None])
    assert shown[0].startswith("Salariskoppeling van Drie Dennen Holding")
    assert shown[1:] == ["•••••", about]
    assert "Wouterus" not in three_anywhere.run("mail list").stdout


def test_a_letter_of_a_case_whose_facts_were_altered_is_listed_all_the_same(three: Desk) -> None:
    with bare(three.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute("UPDATE outbox SET subject = 'Brief ' || id")
        for number, facts in enumerate(("none", "[1]", '{"registration": [1]}'), 1):
            connection.execute(f"UPDATE cases SET facts = '{facts}' WHERE id = {number}")

    assert [row["subject"] for row in three.ask("mail list")] == ["Brief 1", "Brief 2", "Brief 3"]
