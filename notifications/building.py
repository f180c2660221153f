"""Letters made into the bytes that go over the line: headers, a text part, an HTML part, now and then a calendar file.

Assembled by hand from what RFC 5322, 2045 and 2047 ask, because `email.message` takes ten times as long; the tests read
every letter back with it. Everything is 7-bit, and the same row at the same moment becomes the same bytes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from notifications.calendar_file import FILE_NAMES, calendar_file
from notifications.desk import Desk
from notifications.passed import without_passed
from notifications.rendering import TEMPLATES, CannotRender, Rendered, Renderer, cleaned
from notifications.smtp_url import NoMailbox, mailbox
from workflow.clock import format_time, local_day
from workflow.errors import SchakelError
from workflow.storage.letters import OutboxRow

WITH_CALENDAR = frozenset({("coupling_confirmed", "applicant")})
"""The letters, and their readers, that get the first exchange as a calendar file too."""
CHECKPOINT_LETTER = "ledger_checkpoint"
"""The auditor's letter: the signed head of the ledger as a file, byte for byte."""

_ALTERNATIVE, _MIXED = b"=_alternative", b"=_mixed"
"""Boundaries that no part can hold: quoted-printable never puts '_' behind '=', and base64 has no '_'."""
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,255}>")
_FOLD_AT = 66
_LONGEST_WORD = 200
_BYTES_IN_WORD = 45


class CannotBuild(SchakelError):
    """A letter cannot be made into a message; one sentence says which and why, and holds no address."""


class Builder:
    """Builds the letters of a desk, whose templates lie in `folder`."""

    def __init__(self, desk: Desk, folder: Path = TEMPLATES) -> None:
        self._desk = desk
        self._renderer = Renderer(desk, folder)

    def build(self, row: OutboxRow, now: datetime) -> OutboxRow:
        """The row with its Message-ID, subject, bytes and their SHA-256; one that has bytes already as it was.

        A row that still waits for an address is built without To. Raises CannotBuild.
        """
        if row.message is not None:
            return row
        try:
            context = json.loads(row.context)
            if isinstance(context, dict):  # what else it may be is said by the renderer
                context = without_passed(context, local_day(now))
            rendered = self._renderer.render(row.letter, row.language, context)
            message_id = _stored_id(row.message_id) or f"<{_identity(row)}@{self._domain}>"
            headers = (*self._sender, *_headers(row, rendered.subject, message_id, now), b"MIME-Version: 1.0")
            message = b"\r\n".join((*headers, *self._body(row, rendered, context, now), b""))
        except CannotRender as error:
            raise CannotBuild(f"Letter {row.id} cannot be built: {error}") from error
        except NoMailbox as error:
            raise CannotBuild(f"Letter {row.id} cannot be built: {error}, in its recipient or the settings") from error
        except (ValueError, LookupError, TypeError) as error:
            raise CannotBuild(f"Letter {row.id} ({row.letter}) cannot be built from its context: {error}") from error
        digest = sha256(message).hexdigest()
        return replace(row, message_id=message_id, subject=rendered.subject, message=message, sha256=digest)

    @cached_property
    def _domain(self) -> str:
        """Of the sender, in punycode."""
        return mailbox(self._desk.sender).decode().rpartition("@")[2]

    @cached_property
    def _sender(self) -> tuple[bytes, ...]:
        """The headers that are the same for every letter of a desk."""
        address, name = mailbox(self._desk.sender), " ".join(str(cleaned(self._desk.team_name)).split())
        lines = [b"From: " + (_display_name(name) + b"\r\n <" + address + b">" if name else address)]
        if self._desk.reply_to:
            lines.append(b"Reply-To: " + mailbox(self._desk.reply_to))
        return (*lines, b"Auto-Submitted: auto-generated", b"X-Auto-Response-Suppress: OOF, AutoReply")

    def _body(self, row: OutboxRow, rendered: Rendered, context: Mapping[str, Any], now: datetime) -> Iterator[bytes]:
        """The lines from the content type on; a blank one ends the headers."""
        if (row.letter, row.role) in WITH_CALENDAR and _has_day_to_come(context):
            event = calendar_file(
                context["reference"],
                self._domain,
                date.fromisoformat(context["first_exchange_iso"]),
                sequence=context["sequence"],
                language=row.language,
                now=now,
            )
            attached = _attachment(event, b"text/calendar; charset=utf-8; method=PUBLISH", FILE_NAMES[row.language])
        elif row.letter == CHECKPOINT_LETTER:
            attached = _attachment(context["note"].encode(), b"application/octet-stream", "checkpoint.txt")
        else:
            yield from _alternative(rendered)
            return
        yield b'Content-Type: multipart/mixed; boundary="' + _MIXED + b'"'
        yield from (b"", b"--" + _MIXED, *_alternative(rendered), b"--" + _MIXED)
        yield from (*attached, b"--" + _MIXED + b"--")


def _has_day_to_come(context: Mapping[str, Any]) -> bool:
    """Whether the first exchange belongs in a calendar: one that has been only to take the place of another day."""
    return bool(context["first_exchange_iso"] and (context["sequence"] or not context["exchanged"]))


def header_text(text: str) -> bytes:
    """A text as a header holds it (RFC 2047), folded; its own spaces must be single and no control among them."""
    words = text.split(" ")
    if text.isascii() and "=?" not in text and max(map(len, words)) <= _LONGEST_WORD:
        lines = words[:1]
        for word in words[1:]:
            if len(lines[-1]) + len(word) < _FOLD_AT:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return "\r\n ".join(lines).encode()
    return _encoded_words(text)


def _encoded_words(text: str) -> bytes:
    return b"\r\n ".join(b"=?utf-8?b?" + b64encode(piece) + b"?=" for piece in _pieces(text))


def _pieces(text: str) -> Iterator[bytes]:
    """UTF-8 in pieces that fit an encoded word; no character is cut."""
    piece = b""
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > _BYTES_IN_WORD:
            yield piece
            piece = b""
        piece += encoded
    yield piece


def _display_name(name: str) -> bytes:
    if name.isascii() and len(name) < _FOLD_AT and "=?" not in name:
        return b'"' + name.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    return _encoded_words(name)


def _identity(row: OutboxRow) -> str:
    """What no other letter is called, also of a second database, or of one to which a copy was put back.

    Its number comes again there; the moment it was written does not, nor, after a clock that ran ahead, the event that
    wrote it. Nothing of its words, which may be erased.
    """
    frozen = (row.event, row.letter, row.role, row.language, format_time(row.created_at))
    mark = sha256(" ".join(map(str, frozen)).encode()).hexdigest()
    return f"letter.{row.id}.{row.case or 'digest'}.{mark[:16]}"


def _stored_id(stored: object) -> str:
    """A Message-ID as it was stored; '' when it was altered into what no header may hold."""
    return stored if isinstance(stored, str) and _MESSAGE_ID.fullmatch(stored) else ""


def _headers(row: OutboxRow, subject: str, message_id: str, now: datetime) -> Iterator[bytes]:
    if row.recipient is not None:
        yield b"To: " + mailbox(row.recipient)
    yield b"Subject: " + header_text(subject)
    yield f"Date: {format_datetime(now.astimezone(UTC))}".encode()
    yield f"Message-ID: {message_id}".encode()
    first = _stored_id(row.first_message_id)
    if first and first != message_id:
        yield f"In-Reply-To: {first}".encode()
        yield f"References: {first}".encode()
    yield f"Content-Language: {row.language}".encode()


def _alternative(rendered: Rendered) -> Iterator[bytes]:
    yield b'Content-Type: multipart/alternative; boundary="' + _ALTERNATIVE + b'"'
    yield b""
    for kind, content in ((b"plain", rendered.text), (b"html", rendered.html)):
        yield b"--" + _ALTERNATIVE
        yield b"Content-Type: text/" + kind + b"; charset=utf-8"
        yield b"Content-Transfer-Encoding: quoted-printable"
        yield b""
        yield b2a_qp(content.replace("\n", "\r\n").encode(), istext=True)
    yield b"--" + _ALTERNATIVE + b"--"


def _attachment(content: bytes, kind: bytes, file_name: str) -> Iterator[bytes]:
    """A file; a calendar is one as clients expect it that is published and asks for no answer."""
    name = b'name="' + file_name.encode() + b'"'
    yield b"Content-Type: " + kind + b";"
    yield b" " + name
    yield b"Content-Disposition: attachment; file" + name
    yield b"Content-Transfer-Encoding: base64"
    yield b""
    yield encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
