"""One SMTP connection, driven command by command, so that each thing a server does has one meaning for the letter."""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, cast

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected

from notifications.smtp_url import NoMailbox, Server, mailbox


class Phase(StrEnum):
    """How far a letter came."""

    RENDER = "render"  # not yet offered; the outbox's own
    CONNECT = "connect"
    HELLO = "hello"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # from that command on: the letter may have left


class Outcome(StrEnum):
    """What an attempt means for the letter."""

    SENT = "sent"
    RETRY = "retry"  # it has not been sent, and may go out later
    FAILED = "failed"  # it has not been sent, and the server says it never will be
    UNKNOWN = "unknown"  # it may have been sent; only a person can tell


@dataclass(frozen=True, slots=True)
class Reply:
    """How an attempt ended; `words` are the server's, or ours where it said nothing, on one line and masked."""

    outcome: Outcome
    phase: Phase
    code: int | None
    words: str


class _Answer(NamedTuple):
    phase: Phase
    code: int | None  # None: there was no clear answer, and the connection is gone
    words: str  # as they were said


_Step = Callable[[], Awaitable[SMTPResponse]]
OPENING = frozenset({Phase.CONNECT, Phase.HELLO, Phase.TLS, Phase.LOGIN})
_NOT_LOGGED_IN = frozenset({530, 534, 535, 538})  # 'authenticate first', 'encrypt first': about our settings
_GOODBYE_WAIT = 2.0
_PIECE = 1 << 16  # of a letter at a time: TLS would swallow it whole, and nothing could be seen to be unsent
_MAX_WORDS = 300
_ADDRESS = re.compile(r'(?:"([^"])[^"]*"|([^\s<>@,;:"()])[^\s<>@,;:"()]*)@(?=[^\s<>,;:"()])')
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{6,}")
_LINE_END = re.compile(rb"\r\n|\r|\n")


def wire_bytes(message: bytes) -> bytes:
    """The letter as it goes over the line: every line ends in CRLF, the last too, as letters are stored already."""
    ends = message.count(b"\r\n")
    is_normal = ends == message.count(b"\r") == message.count(b"\n")
    normal = message if is_normal else _LINE_END.sub(b"\r\n", message)
    return normal if normal.endswith(b"\r\n") else normal + b"\r\n"


class Connection:
    """Carries letters to one server, one after another. Nothing a server does raises; CancelledError passes through.

    After a refusal the next `offer` says RSET itself. After anything unclear the connection is dropped; it can reopen.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.hello_name,
            timeout=None,  # ours are around each step, see _ask
            use_tls=server.tls == "implicit",
            start_tls=False,  # not None, which would go on in clear; we ask ourselves
            tls_context=server.context,
        )
        self._under_way = self._was_used = False
        forms = (server.password, f"\0{server.user}\0{server.password}") if server.password else ()
        self._secrets = (*forms, *(b64encode(form.encode()).decode() for form in forms))
        self._recipient = ""  # of the letter in hand, or of the last one

    @property
    def is_open(self) -> bool:
        """Whether a letter can be offered, as far as is known."""
        return self._client.is_connected

    async def open(self) -> Reply | None:
        """Connect, encrypt and log in as the server's settings say. None: ready.

        Else RETRY: whatever goes wrong here is no letter's fault. Nothing goes on in clear where TLS was asked for.
        """
        client = self._client
        self._under_way = self._was_used = False
        steps: list[tuple[Phase, _Step]] = [(Phase.CONNECT, client.connect), (Phase.HELLO, client.ehlo)]
        if self._server.tls == "starttls":
            steps += [(Phase.TLS, client.starttls), (Phase.HELLO, client.ehlo)]
        if self._server.user is not None:
            steps.append((Phase.LOGIN, self._log_in))
        for phase, step in steps:
            if refusal := self._judged(await self._ask(phase, step), wanted=2):
                return refusal
        return None

    async def offer(self, sender: str, recipient: str) -> Reply | None:
        """MAIL and RCPT for one recipient. None: accepted, now `transmit`. Else RETRY or FAILED; nothing has left."""
        phase, self._recipient = Phase.MAIL, recipient
        try:
            origin, phase = mailbox(sender), Phase.RCPT
            target = mailbox(recipient)
        except NoMailbox as error:
            return Reply(Outcome.FAILED, phase, None, str(error))
        if self._under_way and self.is_open:
            await self.reset()
        options: tuple[bytes, ...] = ()
        if not (origin + target).isascii():
            if self.is_open and not self._client.supports_extension("smtputf8"):
                words = "this mail server does not take an address with such letters before the @ (no SMTPUTF8)"
                return Reply(Outcome.FAILED, Phase.RCPT if origin.isascii() else Phase.MAIL, None, words)
            options = (b"SMTPUTF8",)
        refusal = await self._mail(origin, options)
        if refusal and self._was_used and refusal.outcome is Outcome.RETRY:  # it had enough of this connection
            await self.close()
            refusal = await self.open() or await self._mail(origin, options)
        if refusal:
            return refusal
        return self._judged(await self._say(Phase.RCPT, b"RCPT", b"TO:<%b>" % target), wanted=2)

    async def _mail(self, origin: bytes, options: tuple[bytes, ...]) -> Reply | None:
        self._under_way = True
        return self._judged(await self._say(Phase.MAIL, b"MAIL", b"FROM:<%b>" % origin, *options), wanted=2)

    async def transmit(self, message: bytes) -> Reply:
        """DATA and the letter, after an accepted `offer`: SENT, or RETRY or FAILED when the server clearly says no.

        Anything else is UNKNOWN, except a connection found closed before DATA was said: RETRY.
        """
        if not self.is_open:
            return Reply(Outcome.RETRY, Phase.DATA, None, "the connection was lost before DATA; nothing has left")
        if refusal := self._judged(await self._say(Phase.DATA, b"DATA"), wanted=3):
            return refusal
        answer = await self._ask(Phase.DATA, lambda: self._pour(wire_bytes(message)), self._server.data_timeout)
        if refusal := self._judged(answer, wanted=2):
            return refusal
        self._under_way, self._was_used = False, True
        return Reply(Outcome.SENT, Phase.DATA, answer.code, self._presentable(answer.words))

    async def reset(self) -> bool:
        """RSET; False: the server would not, and the connection is closed."""
        if self._judged(await self._say(Phase.MAIL, b"RSET"), wanted=2):
            self._drop()
        self._under_way = False
        return self.is_open

    async def close(self) -> None:
        """Say goodbye, for at most two seconds, and let go. Never raises; may be called twice."""
        if self.is_open:
            await self._say(Phase.MAIL, b"QUIT", seconds=min(_GOODBYE_WAIT, self._server.timeout))
        self._drop()
        await asyncio.sleep(0)  # the loop lets go of the socket in its next round

    async def _log_in(self) -> SMTPResponse:
        """One way, once: trying all of them would count as several wrong passwords."""
        client, user, password = self._client, self._server.user or "", self._server.password or ""
        if client.get_transport_info("sslcontext") is None:
            raise SMTPException("the connection is not encrypted; the password was not sent")
        for name, log_in in (("plain", client.auth_plain), ("login", client.auth_login)):
            if name in client.server_auth_methods:
                return await log_in(user, password)
        raise SMTPException("the server offers neither of the ways to log in that are known here, PLAIN and LOGIN")

    async def _pour(self, wire: bytes) -> SMTPResponse:
        """The letter and its final dot; aiosmtplib's own `data` has one time-out for this and for DATA together."""
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        stuffed = (b"\r\n" + wire).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
        for start in range(0, len(stuffed), _PIECE):
            protocol.write(stuffed[start : start + _PIECE])
        return await protocol.read_response()

    async def _say(self, phase: Phase, *command: bytes, seconds: float | None = None) -> _Answer:
        return await self._ask(phase, lambda: self._client.execute_command(*command), seconds)

    async def _ask(self, phase: Phase, step: _Step, seconds: float | None = None) -> _Answer:
        """One step of the dialogue, bounded in time. Without a clear answer the connection is dropped."""
        code, words, seconds = 0, "", self._server.timeout if seconds is None else seconds
        try:
            async with asyncio.timeout(seconds):
                code, words = await step()
        except TimeoutError:
            words = f"no answer within {seconds:g} seconds"
        except SMTPResponseException as error:
            code, words = error.code, error.message
        except (SMTPException, OSError, ValueError) as error:
            words = str(error) or type(error).__name__
            is_tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)
            if is_tls and phase in OPENING:  # later it says nothing of where the letter is
                phase = Phase.TLS
        finally:  # also when cancelled: whatever came next would be taken for the answer to another question
            if is_unclear := not 200 <= code <= 599:
                self._drop()
        return _Answer(phase, None if is_unclear else code, words)

    def _judged(self, answer: _Answer, *, wanted: int) -> Reply | None:
        """None: go on. Else what this answer means for the letter; after a plain refusal the connection stays open."""
        phase, code, words = answer
        kind = (code or 0) // 100
        said_more, unsent = self._left_over()
        is_accepted = kind == wanted and not unsent
        is_plain_refusal = kind in (4, 5) and phase not in OPENING and code != 421
        if said_more or unsent or not (is_accepted or is_plain_refusal):
            self._drop()
        return None if is_accepted else Reply(_outcome(phase, code), phase, code, self._presentable(words))

    def _presentable(self, words: str) -> str:
        return _without_name(_on_one_line(words, self._secrets), self._recipient)[:_MAX_WORDS]

    def _left_over(self) -> tuple[bool, bool]:
        """Whether the server gave more than one answer, and whether it gave one before it had heard everything."""
        protocol = self._client.protocol
        if protocol is None or protocol.transport is None:
            return False, False
        unsent = cast(asyncio.WriteTransport, protocol.transport).get_write_buffer_size() > 0
        return bool(protocol._buffer), unsent  # aiosmtplib would take what is in there for the next answer

    def _drop(self) -> None:
        """Let go at once. Not by close() alone, which would go on sending what is still in the buffer."""
        if self._client.transport is not None:
            cast(asyncio.WriteTransport, self._client.transport).abort()
        self._client.close()


def _outcome(phase: Phase, code: int | None) -> Outcome:
    kind = (code or 0) // 100
    if kind == 5 and phase not in OPENING and (phase is Phase.DATA or code not in _NOT_LOGGED_IN):
        return Outcome.FAILED
    return Outcome.UNKNOWN if phase is Phase.DATA and kind not in (4, 5) else Outcome.RETRY


def _on_one_line(words: str, secrets: tuple[str, ...]) -> str:
    """On one line, without control characters, addresses, or anything of the password, which some servers echo."""
    for secret in secrets:
        words = words.replace(secret, "•••")
    words = _ENCODED.sub(lambda found: "•••" if any(found[0] in secret for secret in secrets) else found[0], words)
    seen = (letter if letter.isprintable() else " " if letter.isspace() else "" for letter in words[: 10 * _MAX_WORDS])
    return " ".join(_ADDRESS.sub(r"\1\2•••@", "".join(seen)).split())


def _without_name(words: str, recipient: str) -> str:
    """Words without what stands before the @ of an address, or before a + in that: servers also say it by itself."""
    name = recipient.rpartition("@")[0]
    for said in filter(None, (name, name.partition("+")[0])):
        alone = rf"(?<![^\W_])(?<!\d\.){re.escape(said)}(?![^\W_])(?!\.\d|•••@)"  # nor a part of '5.1.1'
        words = re.sub(alone, "•••", words, flags=re.IGNORECASE)
    return words
