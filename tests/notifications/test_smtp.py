"""Whatever a mail server does, a letter ends in one documented outcome, and no password goes out in clear."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives import serialization
from hostile import ADDRESS, PASSWORD, At, Fault, Hostile, authority, server_context, trusting

from notifications.smtp import Connection, Outcome, Phase, Reply, wire_bytes
from notifications.smtp_url import Server, parse_smtp_url
from workflow.errors import UsageError

T = TypeVar("T")
SENDER = "schakel@example.nl"
RECIPIENT = "jan.jansen@example.com"
LETTER = b"Subject: K-1234-5678\r\n\r\nBeste Jan,\r\n.\r\n..twee\r\nTot morgen\r\n"
USER = "schakel@mail.example"
WAIT = 0.6
"""Seconds, where the server is going to hang."""
PATIENCE = 10.0
"""Seconds, where it is not: never waited out, so a busy machine changes nothing."""

OUTCOMES = """
at              421      450      550      554      hangs    drops    garbage  half     accepts, then drops
greeting        retry    retry    retry    retry    retry    retry    retry    retry    retry
EHLO            retry    retry    retry    retry    retry    retry    retry    retry    retry
STARTTLS        retry    retry    retry    retry    retry    retry    retry    retry    retry
AUTH            retry    retry    retry    retry    retry    retry    retry    retry    retry
MAIL            retry    retry    failed   failed   retry    retry    retry    retry    retry
RCPT            retry    retry    failed   failed   retry    retry    retry    retry    retry
DATA            retry    retry    failed   failed   unknown  unknown  unknown  unknown  unknown
in the body     retry    retry    failed   failed   unknown  unknown  unknown  unknown  sent
after the dot   retry    retry    failed   failed   unknown  unknown  unknown  unknown  sent
"""
"""'In the body', 'accepts': the letter is short and all of it is on its way, so a 250 must be believed; see
test_a_250_from_a_server_that_cannot_have_the_whole_letter_is_not_believed for one that need not be."""

PHASES = {
    At.GREETING: Phase.CONNECT,
    At.EHLO: Phase.HELLO,
    At.STARTTLS: Phase.TLS,
    At.AUTH: Phase.LOGIN,
    At.MAIL: Phase.MAIL,
    At.RCPT: Phase.RCPT,
    At.DATA: Phase.DATA,
    At.BODY: Phase.DATA,
    At.DOT: Phase.DATA,
}
AFTER_ACCEPTING = {
    "plain": {At.GREETING: Phase.HELLO, At.EHLO: Phase.MAIL, At.MAIL: Phase.RCPT, At.RCPT: Phase.DATA},
    "starttls": {
        At.GREETING: Phase.HELLO,
        At.EHLO: Phase.TLS,
        At.AUTH: Phase.MAIL,
        At.MAIL: Phase.RCPT,
        At.RCPT: Phase.DATA,
    },
    "implicit": {
        At.GREETING: Phase.HELLO,
        At.EHLO: Phase.LOGIN,
        At.AUTH: Phase.MAIL,
        At.MAIL: Phase.RCPT,
        At.RCPT: Phase.DATA,
    },
}
"""A server that accepts and then drops is found out in the next phase."""


def cells() -> list[tuple[str, At, Fault, Outcome]]:
    """Each cell of the table, over each kind of connection that has it."""
    head, *rows = [re.split(r"  +", line) for line in OUTCOMES.strip().splitlines()]
    faults = [Fault.HALF if name == "half" else Fault(name) for name in head[1:]]
    return [
        (kind, At(at), fault, Outcome(outcome))
        for at, *outcomes in rows
        for fault, outcome in zip(faults, outcomes, strict=True)
        for kind in ("plain", "starttls", "implicit")
        if not (kind == "plain" and at in ("STARTTLS", "AUTH")) and not (kind == "implicit" and at == "STARTTLS")
    ]


def hostile(kind: str = "plain", at: At | None = None, fault: Fault | bytes | None = None, **more: Any) -> Hostile:
    """A server that speaks plain, STARTTLS or TLS, and asks for a login over the last two."""
    if kind != "plain":
        more.setdefault("extensions", ("8BITMIME", "AUTH LOGIN PLAIN"))
    if kind == "starttls":
        more.setdefault("starttls", server_context())
    if kind == "implicit":
        more.setdefault("implicit", server_context())
    return Hostile(at, fault, **more)


def reaching(server: Hostile, kind: str = "plain", **more: Any) -> Server:
    """How a client reaches it; impatient only with a server that will hang."""
    wait = WAIT if server.fault is Fault.HANGS and server.times > 0 else PATIENCE
    asked: dict[str, Any] = {"timeout": wait, "data_timeout": wait, "context": trusting(), "hello_name": "me.example"}
    if kind != "plain":
        asked |= {"user": USER, "password": PASSWORD}
    return Server(ADDRESS, server.port, {"plain": "none"}.get(kind, kind), **(asked | more))  # type: ignore[arg-type]


async def send(connection: Connection, letter: bytes = LETTER, recipient: str = RECIPIENT) -> Reply:
    """One letter, over a connection that is opened when it is not."""
    return (
        (None if connection.is_open else await connection.open())
        or await connection.offer(SENDER, recipient)
        or await connection.transmit(letter)
    )


async def until_closed(connection: Connection) -> None:
    """Let the loop read the end of the stream, as it does while a worker writes to its database."""
    while connection.is_open:
        await asyncio.sleep(0)


def run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(story, 20))


def secrets_in(seen: bytes | bytearray) -> list[str]:
    forms = (PASSWORD, USER, f"\0{USER}\0{PASSWORD}")
    return [form for form in forms if form.encode() in seen or b64encode(form.encode()) in seen]


@pytest.mark.parametrize(("kind", "at", "fault", "expected"), cells())
def test_each_fault_at_each_place_ends_as_the_table_says(kind: str, at: At, fault: Fault, expected: Outcome) -> None:
    async def story() -> tuple[Reply, Reply, Hostile, int]:
        async with hostile(kind, at, fault, times=1) as server:
            connection = Connection(reaching(server, kind))
            refusal = await connection.open() or await connection.offer(SENDER, RECIPIENT)
            if (at, fault) == (At.RCPT, Fault.ACCEPTS_THEN_DROPS):
                await until_closed(connection)
            first = refusal or await connection.transmit(LETTER)
            taken = len(server.accepted)
            if fault is Fault.ACCEPTS_THEN_DROPS:
                await until_closed(connection)
            if fault is Fault.HANGS:
                assert not connection.is_open
                connection = Connection(reaching(server, kind))
            second = await send(connection)
            await connection.close()
            return first, second, server, taken

    first, second, server, taken = run(story())

    phase = AFTER_ACCEPTING[kind].get(at, PHASES[at]) if fault is Fault.ACCEPTS_THEN_DROPS else PHASES[at]
    assert (first.outcome, first.phase) == (expected, phase)
    assert first.code == (int(fault) if fault.isdigit() else 250 if expected is Outcome.SENT else None)
    assert taken == (expected is Outcome.SENT and at is At.DOT)
    assert "Jan.Jansen" not in first.words
    assert second.outcome is Outcome.SENT, "the server behaves again, and the next letter goes out"
    assert server.accepted[taken:] == [LETTER]
    assert secrets_in(server.clear) == []


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("at", "expected"), [(At.MAIL, Outcome.RETRY), (At.DATA, Outcome.UNKNOWN), (At.DOT, Outcome.UNKNOWN)]
)
def test_a_connection_that_breaks_below_leaves_a_letter_in_doubt_once_data_was_said(
    kind: str, at: At, expected: Outcome
) -> None:
    async def story() -> tuple[Reply, bool, list[bytes]]:
        async with hostile(kind, at, Fault.BREAKS_TLS, times=1) as server:
            connection = Connection(reaching(server, kind))
            return await send(connection), connection.is_open, server.complete

    reply, is_open, complete = run(story())

    assert (reply.outcome, reply.phase, is_open) == (expected, PHASES[at], False), reply
    assert complete == ([LETTER] if at is At.DOT else [])


@pytest.mark.parametrize("kind", ["plain", "starttls", "implicit"])
def test_a_letter_is_sent_as_it_is_with_the_words_of_the_server(kind: str) -> None:
    async def story() -> tuple[Reply, Hostile]:
        async with hostile(kind) as server:
            connection = Connection(reaching(server, kind))
            reply = await send(connection)
            await connection.close()
            await server.gone.wait()
            return reply, server

    reply, server = run(story())

    assert reply == Reply(Outcome.SENT, Phase.DATA, 250, "2.0.0 queued")
    assert server.accepted == [LETTER]
    assert server.commands[-4:] == [
        b"MAIL FROM:<schakel@example.nl>",
        b"RCPT TO:<jan.jansen@example.com>",
        b"DATA",
        b"QUIT",
    ]
    assert (b"Beste Jan" in server.clear) == (kind == "plain")


def test_one_connection_carries_many_letters() -> None:
    async def story() -> Hostile:
        async with hostile("starttls") as server:
            connection = Connection(reaching(server, "starttls"))
            for number in range(20):
                assert (await send(connection, b"%d\r\n" % number)).outcome is Outcome.SENT
            await connection.close()
            return server

    server = run(story())

    assert server.accepted == [b"%d\r\n" % number for number in range(20)]
    assert (server.connections, server.said_to_it[b"AUTH"], server.said_to_it[b"RSET"]) == (1, 1, 0)


@pytest.mark.parametrize("at", [At.MAIL, At.RCPT, At.DATA, At.DOT])
def test_after_a_refusal_the_next_letter_begins_with_rset_on_the_same_connection(at: At) -> None:
    async def story() -> tuple[list[Outcome], Hostile]:
        async with hostile("plain", at, Fault.SAYS_550, times=1) as server:
            connection = Connection(reaching(server))
            outcomes = [(await send(connection)).outcome for _ in range(3)]
            await connection.close()
            return outcomes, server

    outcomes, server = run(story())

    assert outcomes == [Outcome.FAILED, Outcome.SENT, Outcome.SENT]
    assert (server.connections, server.said_to_it[b"RSET"]) == (1, 1)
    assert server.commands[server.commands.index(b"RSET") + 1].startswith(b"MAIL")


def test_an_offer_that_was_accepted_and_dropped_by_us_is_cleared_before_the_next() -> None:
    async def story() -> Hostile:
        async with hostile() as server:
            connection = Connection(reaching(server))
            await connection.open()
            assert await connection.offer(SENDER, "first@example.com") is None
            assert (await send(connection)).outcome is Outcome.SENT
            await connection.close()
            return server

    server = run(story())

    assert [command[:4] for command in server.commands] == [
        b"EHLO", b"MAIL", b"RCPT", b"RSET", b"MAIL", b"RCPT", b"DATA", b"QUIT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fault", [fault for fault in Fault if fault not in (Fault.ACCEPTS_THEN_DROPS, Fault.BREAKS_TLS)]
)
def test_a_server_that_will_not_reset_is_left(fault: Fault) -> None:
    async def story() -> tuple[bool, bool]:
        async with hostile("plain", At.RSET, fault) as server:
            connection = Connection(reaching(server))
            await connection.open()
            await connection.offer(SENDER, RECIPIENT)
            return await connection.reset(), connection.is_open

    assert run(story()) == (False, False)


@pytest.mark.parametrize(
    "letter",
    [
        b".",
        b".\r\n.\r\n",
        b"a\r\n.\r\nb",
        b"a\n.\nMAIL FROM:<x@example.com>\nRCPT TO:<y@example.com>\nDATA\nsmuggled\n.\n",
        b"a\r.\rb\r\r\n.\r\n\n.\r",
        b"",
        b"..a\r\n...",
        bytes(range(256)),
    ],
)
def test_what_arrives_is_what_was_stored_and_hashed(letter: bytes) -> None:
    stored = wire_bytes(letter)

    async def story() -> Hostile:
        async with hostile() as server:
            connection = Connection(reaching(server))
            assert (await send(connection, stored)).outcome is Outcome.SENT
            await connection.close()
            await server.gone.wait()
            return server

    server = run(story())

    assert server.accepted == [stored]
    assert server.commands[-2:] == [b"DATA", b"QUIT"], "nothing in a letter becomes a command"
    assert wire_bytes(stored) == stored
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", stored)


def test_a_megabyte_arrives_whole() -> None:
    letter = b"".join(b".%06d%s\r\n" % (line, b"x" * 70) for line in range(13_500))

    async def story() -> list[bytes]:
        async with hostile("starttls") as server:
            connection = Connection(reaching(server, "starttls"))
            assert (await send(connection, letter)).outcome is Outcome.SENT
            await connection.close()
            return server.accepted

    assert run(story()) == [letter]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(b"250 got it\r\n", Outcome.UNKNOWN), (b"450 full\r\n", Outcome.RETRY), (b"552 too big\r\n", Outcome.FAILED)],
)
@pytest.mark.parametrize("kind", ["plain", "starttls"])
def test_a_250_from_a_server_that_cannot_have_the_whole_letter_is_not_believed(
    kind: str, answer: bytes, outcome: Outcome
) -> None:
    """It may say no at any time; the rest of the letter then stays here."""
    letter = (b"x" * 70 + b"\r\n") * 300_000

    async def story() -> tuple[Reply, bool, list[bytes]]:
        async with hostile(kind, At.BODY, answer) as server:
            connection = Connection(reaching(server, kind))
            reply = await send(connection, letter)
            await server.gone.wait()
            return reply, connection.is_open, server.complete

    reply, is_open, complete = run(story())

    assert (reply.outcome, is_open, complete) == (outcome, False, [])


@pytest.mark.parametrize(
    ("at", "answer", "outcome"),
    [
        (At.GREETING, b"220 hello\r\n250 and more\r\n", Outcome.RETRY),
        (At.EHLO, b"250 hello\r\n250 and more\r\n", Outcome.RETRY),
        (At.MAIL, b"250 yes\r\n250 yes\r\n", Outcome.RETRY),
        (At.RCPT, b"250 yes\r\n354 go on\r\n", Outcome.RETRY),
        (At.RCPT, b"550 no\r\n250 yes\r\n", Outcome.FAILED),
        (At.DATA, b"354 go on\r\n250 queued\r\n", Outcome.UNKNOWN),
        (At.DOT, b"250 queued\r\n421 closing down\r\n", Outcome.SENT),
    ],
)
def test_an_answer_too_many_is_never_taken_for_the_answer_to_the_next_question(
    at: At, answer: bytes, outcome: Outcome
) -> None:
    async def story() -> tuple[Reply, bool]:
        async with hostile("plain", at, answer) as server:
            connection = Connection(reaching(server))
            return await send(connection), connection.is_open

    reply, is_open = run(story())

    assert (reply.outcome, is_open) == (outcome, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n",
        b"ok\r\n",
        b"25\r\n",
        b"+25 ok\r\n",
        b"-50 ok\r\n",
        b"000 ok\r\n",
        b"199 ok\r\n",
        b"334 go on\r\n",
        b"354 go on\r\n",
        b"999 ok\r\n",
        b"x" * 50_000,
        b"250-" + b"x" * 9000 + b"\r\n250 ok\r\n",
        b"250-ok\r\n" * 6000,
        "２５０ ok\r\n".encode(),
    ],
)
def test_what_is_no_clear_answer_to_the_letter_is_unknown(answer: bytes) -> None:
    async def story() -> tuple[Reply, bool]:
        async with hostile("plain", At.DOT, answer) as server:
            connection = Connection(reaching(server))
            return await send(connection), connection.is_open

    reply, is_open = run(story())

    assert (reply.outcome, reply.phase, is_open) == (Outcome.UNKNOWN, Phase.DATA, False)


def test_the_answer_to_the_letter_has_a_patience_of_its_own() -> None:
    async def story() -> Reply:
        async with hostile("plain", At.DOT, Fault.HANGS) as server:
            return await send(Connection(reaching(server, timeout=5, data_timeout=0.1)))

    assert run(story()).words == "no answer within 0.1 seconds"


def test_a_connection_found_lost_before_data_was_said_leaves_nothing_unknown() -> None:
    async def story() -> Reply:
        async with hostile() as server:
            connection = Connection(reaching(server))
            await connection.open()
            await connection.offer(SENDER, RECIPIENT)
            await connection.close()
            return await connection.transmit(LETTER)

    reply = run(story())

    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.DATA)


def test_an_offer_without_a_connection_is_for_later() -> None:
    reply = run(Connection(Server(ADDRESS, 9, "none")).offer(SENDER, RECIPIENT))

    assert reply is not None
    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.MAIL)


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_log_in_first_is_not_the_fault_of_the_letter(code: int) -> None:
    async def story() -> Reply:
        async with hostile("plain", At.MAIL, b"%d 5.7.0 authenticate first\r\n" % code) as server:
            return await send(Connection(reaching(server)))

    reply = run(story())

    assert (reply.outcome, reply.phase, reply.code) == (Outcome.RETRY, Phase.MAIL, code)


def test_nobody_listening_is_for_later() -> None:
    with socket.create_server((ADDRESS, 0)) as free:
        port = free.getsockname()[1]

    reply = run(Connection(Server(ADDRESS, port, "none")).open())

    assert reply is not None
    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.CONNECT)


@pytest.mark.parametrize("at", [At.GREETING, At.EHLO, At.AUTH, At.RCPT, At.DATA, At.BODY, At.DOT])
@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_a_cancel_passes_through_and_leaves_no_half_open_connection(kind: str, at: At) -> None:
    async def story() -> tuple[bool, Outcome]:
        async with hostile(kind, at, Fault.HANGS, times=1) as server:
            connection = Connection(reaching(server, kind, timeout=20, data_timeout=20))
            sending = asyncio.create_task(send(connection))
            await server.reached.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            was_open = connection.is_open
            again = await send(connection)
            await connection.close()
            return was_open, again.outcome

    assert run(story()) == (False, Outcome.SENT)


@pytest.mark.parametrize("fault", list(Fault))
def test_saying_goodbye_is_bounded_and_quiet(fault: Fault) -> None:
    async def story() -> tuple[Outcome, bool]:
        async with hostile("implicit", At.QUIT, fault) as server:
            connection = Connection(reaching(server, "implicit"))
            reply = await send(connection)
            await connection.close()
            await connection.close()
            return reply.outcome, connection.is_open

    assert run(story()) == (Outcome.SENT, False)


@pytest.mark.parametrize("in_clear", [(), ("AUTH LOGIN PLAIN",)])
def test_a_server_without_starttls_gets_neither_password_nor_letter(in_clear: tuple[str, ...]) -> None:
    async def story() -> tuple[Reply, bool, Hostile]:
        async with Hostile(extensions_in_clear=in_clear) as server:
            connection = Connection(reaching(server, "starttls"))
            return await send(connection), connection.is_open, server

    reply, is_open, server = run(story())

    assert (reply.outcome, reply.phase, is_open) == (Outcome.RETRY, Phase.TLS, False)
    assert bytes(server.clear) == b"EHLO me.example\r\n"


def test_an_authority_of_one_s_own_is_trusted_once_the_environment_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As docs/deployment.md says."""
    own = authority()[0].public_bytes(serialization.Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(own)

    async def story() -> Outcome:
        async with hostile("starttls") as server:
            connection = Connection(reaching(server, "starttls", context=None))
            try:
                return (await send(connection)).outcome
            finally:
                await connection.close()

    unknown = run(story())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    known = run(story())

    assert (unknown, known) == (Outcome.RETRY, Outcome.SENT)


@pytest.mark.parametrize(
    ("presented", "trusted", "words"),
    [
        (server_context(), ssl.create_default_context(), "unable to get local issuer"),
        (server_context(days=-1), None, "certificate has expired"),
        (server_context("mail.elsewhere.example"), None, "IP address mismatch"),
    ],
    ids=["unknown authority", "expired", "wrong host name"],
)
@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_a_certificate_that_is_not_right_gets_neither_password_nor_letter(
    kind: str, presented: ssl.SSLContext, trusted: ssl.SSLContext | None, words: str
) -> None:
    async def story() -> tuple[Reply, bool, Hostile]:
        contexts: dict[str, Any] = {kind: presented}
        async with hostile(kind, extensions_in_clear=("AUTH PLAIN",), **contexts) as server:
            connection = Connection(reaching(server, kind, context=trusted or trusting()))
            return await send(connection), connection.is_open, server

    reply, is_open, server = run(story())

    assert (reply.outcome, reply.phase, is_open) == (Outcome.RETRY, Phase.TLS, False)
    assert words in reply.words
    assert server.commands in ([], [b"EHLO me.example", b"STARTTLS"])
    assert bytes(server.sealed) == b""


def test_a_plain_port_where_tls_is_asked_hears_nothing_it_understands() -> None:
    async def story() -> tuple[Reply, Hostile]:
        async with hostile() as server:
            return await send(Connection(reaching(server, "implicit"))), server

    reply, server = run(story())

    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.TLS)
    assert secrets_in(server.clear) == []


@pytest.mark.parametrize(
    "injection", [b"250 injected\r\n", b"250-x\r\n250-SMTPUTF8\r\n250 AUTH PLAIN\r\n", b"235 in\r\n"]
)
def test_what_is_slipped_in_behind_the_220_to_starttls_is_not_believed(injection: bytes) -> None:
    async def story() -> tuple[Reply, Hostile, Reply | None]:
        async with hostile("starttls", injection=injection) as server:
            connection = Connection(reaching(server, "starttls"))
            reply = await send(connection)
            refusal = await connection.offer(SENDER, "josé@example.com")
            await connection.close()
            return reply, server, refusal

    reply, server, refusal = run(story())

    assert reply.outcome is Outcome.SENT
    assert server.accepted == [LETTER]
    assert server.said_to_it[b"EHLO"] == 2, "what was offered in clear is asked again"
    assert bytes(server.clear) == b"EHLO me.example\r\nSTARTTLS\r\n"
    assert refusal is not None
    assert refusal.outcome is Outcome.FAILED


def test_auth_offered_in_clear_is_used_only_after_tls() -> None:
    async def story() -> tuple[Reply, Hostile]:
        async with hostile("starttls", extensions_in_clear=("AUTH PLAIN",)) as server:
            connection = Connection(reaching(server, "starttls"))
            reply = await send(connection)
            await connection.close()
            return reply, server

    reply, server = run(story())

    assert reply.outcome is Outcome.SENT
    assert b"AUTH" not in server.clear
    assert b"AUTH PLAIN" in server.sealed


@pytest.mark.parametrize("ways", ["AUTH PLAIN", "AUTH LOGIN"])
def test_a_wrong_password_is_tried_once_is_for_later_and_stands_in_no_words(ways: str) -> None:
    wrong = "S3cret-of-the-house"

    async def story() -> tuple[Reply, Hostile]:
        async with hostile("starttls", extensions=(ways,)) as server:
            return await send(Connection(reaching(server, "starttls", password=wrong))), server

    reply, server = run(story())

    assert (reply.outcome, reply.phase, reply.code) == (Outcome.RETRY, Phase.LOGIN, 535)
    assert server.said_to_it[b"AUTH"] == 1
    assert reply.words.startswith("5.7.8 wrong; you said AUTH")
    assert not any(b64encode(form.encode()).decode()[:8] in reply.words for form in (wrong, f"\0{USER}\0{wrong}"))


def test_neither_the_password_nor_a_piece_of_it_stands_in_what_is_kept() -> None:
    wrong = "S3cret-of-the-house"
    sent = b64encode(f"\0{USER}\0{wrong}".encode())
    echo = b"535 '%b' no, '%b...' no, '...%b' no\r\n" % (wrong.encode(), sent[:14], sent[-14:])

    async def story() -> Reply:
        async with hostile("implicit", extensions=("AUTH PLAIN",), rejection=echo) as server:
            return await send(Connection(reaching(server, "implicit", password=wrong)))

    assert run(story()).words == "'•••' no, '•••...' no, '...•••' no"


def test_a_server_made_by_force_to_log_in_in_clear_is_told_nothing() -> None:
    async def story() -> tuple[Reply, Hostile]:
        async with Hostile(extensions=("AUTH PLAIN LOGIN",)) as server:
            forced = reaching(server)
            object.__setattr__(forced, "user", USER)
            object.__setattr__(forced, "password", PASSWORD)
            return await send(Connection(forced)), server

    reply, server = run(story())

    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.LOGIN)
    assert bytes(server.clear) == b"EHLO me.example\r\n"


@pytest.mark.parametrize("extensions", [(), ("AUTH CRAM-MD5 XOAUTH2",)])
def test_a_server_without_a_way_to_log_in_gets_no_letter(extensions: tuple[str, ...]) -> None:
    async def story() -> Reply:
        async with hostile("implicit", extensions=extensions) as server:
            return await send(Connection(reaching(server, "implicit")))

    reply = run(story())

    assert (reply.outcome, reply.phase) == (Outcome.RETRY, Phase.LOGIN)


@pytest.mark.parametrize(
    ("recipient", "command", "option"),
    [
        ("jan@example.com", "RCPT TO:<jan@example.com>", ""),
        ("Jan.O'Neil+x@Example.COM", "RCPT TO:<Jan.O'Neil+x@Example.COM>", ""),
        ("jan@straße.example", "RCPT TO:<jan@xn--strae-oqa.example>", ""),
        ("josé@straße.example", "RCPT TO:<josé@xn--strae-oqa.example>", " SMTPUTF8"),
        ("ops@relay.local", "RCPT TO:<ops@relay.local>", ""),
    ],
)
def test_smtputf8_is_asked_only_when_the_address_needs_it(recipient: str, command: str, option: str) -> None:
    async def story() -> Hostile:
        async with hostile(extensions=("SMTPUTF8",)) as server:
            connection = Connection(reaching(server))
            assert (await send(connection, recipient=recipient)).outcome is Outcome.SENT
            await connection.close()
            return server

    server = run(story())

    assert server.commands[1:3] == [f"MAIL FROM:<{SENDER}>{option}".encode(), command.encode()]


@pytest.mark.parametrize(
    ("sender", "recipient", "phase"),
    [(SENDER, "josé@example.com", Phase.RCPT), ("sé@example.nl", RECIPIENT, Phase.MAIL)],
)
def test_an_address_the_server_cannot_take_fails_in_plain_words(sender: str, recipient: str, phase: Phase) -> None:
    async def story() -> tuple[Reply | None, Reply]:
        async with hostile() as server:
            connection = Connection(reaching(server))
            await connection.open()
            refusal = await connection.offer(sender, recipient)
            after = await send(connection)
            await connection.close()
            return refusal, after

    refusal, after = run(story())

    assert refusal is not None
    assert (refusal.outcome, refusal.phase, refusal.code) == (Outcome.FAILED, phase, None)
    assert "SMTPUTF8" in refusal.words
    assert after.outcome is Outcome.SENT


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jan",
        "@example.com",
        "jan@",
        "jan@example.com,piet@example.com",
        "jan@example.com, piet@example.com",
        "jan@example.com piet@example.com",
        "jan@example.com;piet@example.com",
        "Jan <jan@example.com>",
        "<jan@example.com>",
        "jan@example.com> SIZE=1",
        "jan@example.com\r\nRCPT TO:<piet@example.com>",
        "jan\r\n@example.com",
        "jan@example.com\n",
        "jan@example.com\x00",
        "jan\u202e@example.com",
        "jan\ud800@example.com",
        '"jan jansen"@example.com',
        "jan@[127.0.0.1]",
        "jan@exam..ple.com",
        "jan@-example.com",
        "jan@exämple..com",
        "x" * 65 + "@example.com",
    ],
)
@pytest.mark.parametrize("is_sender", [False, True])
def test_what_is_not_one_plain_address_is_refused_before_a_word_is_said(address: str, is_sender: bool) -> None:
    async def story() -> tuple[Reply | None, Hostile]:
        async with hostile(extensions=("SMTPUTF8",)) as server:
            connection = Connection(reaching(server))
            await connection.open()
            refusal = await connection.offer(*((address, RECIPIENT) if is_sender else (SENDER, address)))
            await connection.close()
            return refusal, server

    refusal, server = run(story())

    assert refusal is not None
    assert (refusal.outcome, refusal.phase) == (Outcome.FAILED, Phase.MAIL if is_sender else Phase.RCPT)
    assert [command[:4] for command in server.commands] == [b"EHLO", b"QUIT"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"550 <Jan.Jansen@example.com>: no such user\r\n", "<J•••@example.com>: no such user"),
        (b"550-5.1 no\r\n550-to   a@b.nl,\r\n550 and c@d.nl\r\n", "5.1 no to a•••@b.nl, and c•••@d.nl"),
        (b'550 "Jan Jansen"@example.com is gone\r\n', "J•••@example.com is gone"),
        (b"550 jan@[10.0.0.1] is gone\r\n", "j•••@[10.0.0.1] is gone"),
        (b"550 \x1b[31mred\x07 \x00alert\t.\r\n", "[31mred alert ."),
        ("550 a\u200bb\u202ec@d.nl\r\n".encode(), "a•••@d.nl"),
        (b"550 \xff\xfe odd\r\n", "odd"),
        (b"550 " + b"long " * 200 + b"\r\n", ("long " * 200)[:300]),
        (b"550 " + b"a@" * 3000 + b"\r\n", None),
        (b"550\r\n", ""),
    ],
)  # fmt: skip
def test_the_words_of_the_server_stand_on_one_line_with_addresses_masked(said: bytes, words: str | None) -> None:
    async def story() -> Reply:
        async with hostile("plain", At.RCPT, said) as server:
            return await send(Connection(reaching(server)))

    reply = run(story())

    assert (reply.outcome, reply.code) == (Outcome.FAILED, 550)
    assert words is None or reply.words == words
    assert len(reply.words) <= 300


@pytest.mark.parametrize(
    ("recipient", "said", "words"),
    [
        (RECIPIENT, "<jan.jansen@example.com>: no jan.jansen here", "<j•••@example.com>: no ••• here"),
        (RECIPIENT, "user_JAN.JANSEN is over quota", "user_••• is over quota"),
        (RECIPIENT, "january jan.jansens", "january jan.jansens"),
        ("123456782.x@z.example", "'123456782.x' unknown", "'•••' unknown"),
        ("j+loket@z.example", "j: no mailbox j+loket at j@z.example", "•••: no mailbox ••• at j•••@z.example"),
        ("zoë@z.example", "ZOË is gone", "••• is gone"),
        ("1@z.example", "5.1.1 1 is no user", "5.1.1 ••• is no user"),
    ],
)  # fmt: skip
def test_the_words_of_the_server_do_not_say_whom_the_letter_is_for(recipient: str, said: str, words: str) -> None:
    """A name, or a BSN, also where a server says only what stands before the @."""

    async def story() -> Reply:
        async with hostile("plain", At.DOT, b"550 " + said.encode() + b"\r\n", extensions=("SMTPUTF8",)) as server:
            return await send(Connection(reaching(server)), recipient=recipient)

    assert run(story()).words == words


@pytest.mark.parametrize(
    ("url", "password", "expected"),
    [
        ("smtp://mail.example", None, ("mail.example", 25, "none", None)),
        ("smtp://[::1]:2525/", None, ("::1", 2525, "none", None)),
        ("smtps://mail.example", None, ("mail.example", 465, "implicit", None)),
        ("smtps://@mail.example", "", ("mail.example", 465, "implicit", None)),
        ("smtp+starttls://u@mail.example", "p", ("mail.example", 587, "starttls", "u")),
        ("SMTP+STARTTLS://u%40asr.nl@Mail.Example:26\n", "p", ("mail.example", 26, "starttls", "u@asr.nl")),
    ],
)
def test_a_url_names_the_server(url: str, password: str | None, expected: tuple[str, int, str, str | None]) -> None:
    server = parse_smtp_url(url, password)

    assert (server.host, server.port, server.tls, server.user) == expected
    assert server.password == (password or None)
    assert server.data_timeout == 600


@pytest.mark.parametrize(
    ("url", "password", "words"),
    [
        ("smtp://hunter2@mail.example", None, "plain"),
        ("smtp://mail.example", "hunter2", "plain"),
        ("smtp://hunter2@mail.example", "hunter2", "plain"),
        ("smtps://u:hunter2@mail.example", None, "holds a password"),
        ("smtps://u:@mail.example", "hunter2", "holds a password"),
        ("smtps://u:hunter2/x@mail.example", None, "cannot be read"),
        ("smtps://u:12/hunter2@mail.example", None, "nothing may follow"),
        ("smtps://hunter2@mail.example", None, "no password: name SCHAKEL_SMTP_PASSWORD_FILE"),
        ("smtps://mail.example", "hunter2", "no user in SCHAKEL_SMTP_URL"),
        ("smtps://mail.example?hunter2", None, "nothing may follow"),
        ("smtps://mail.example#hunter2", None, "nothing may follow"),
        ("smtps://hunter2%0d%0a@mail.example", "x", "control character"),
        ("smtps://mail.example:hunter2", None, "cannot be read"),
        ("smtps://mail.example:99999", None, "cannot be read"),
        ("smtps://mail.example:0", None, "port 0"),
        ("smtps://[hunter2", None, "cannot be read"),
        ("smtps://", None, "no host"),
        ("hunter2://mail.example", None, "begins with smtp://"),
        ("mail.hunter2.example", None, "begins with smtp://"),
        ("smtps://mail.hünter2.example", None, "xn--"),
        ("", None, "begins with smtp://"),
    ],
)
def test_a_url_that_will_not_do_is_refused_without_repeating_what_may_be_secret(
    url: str, password: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        parse_smtp_url(url, password)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_server_shows_neither_user_nor_password() -> None:
    shown = repr(parse_smtp_url("smtps://user-of-ours@mail.example", "hunter2"))

    assert "hunter2" not in shown
    assert "user-of-ours" not in shown
