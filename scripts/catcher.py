"""A mail server for the demo: it takes every letter, sends none on, and keeps each as a file that can be opened."""

from __future__ import annotations

import email
import email.policy
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Conversation

from scripts.output import Column, local, moment, table
from workflow.storage import Database, letters

HOST = "127.0.0.1"
_TRIES = 5
DAILY = "daily_overview"
"""The letter that goes out every day, and so has one line in the table."""
_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Caught:
    """A letter that came in: its headers, and the files it was kept in (no HTML part: no page)."""

    message_id: str
    subject: str
    file: Path
    page: Path | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A caught letter with what the outbox says of it: its number there, when it was sent, to whom."""

    number: int
    at: datetime
    case: str | None
    letter: str
    role: str
    caught: Caught

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "id": self.number,
            "at": moment(self.at),
            "case": self.case,
            "letter": self.letter,
            "role": self.role,
            "subject": self.caught.subject,
            "file": str(self.caught.file),
        }


class Catcher:
    """Listens on this machine only, from entering its context until leaving it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.caught: list[Caught] = []
        self._controller: Controller | None = None

    def __enter__(self) -> Catcher:
        self.folder.mkdir(mode=0o700)
        for left in reversed(range(_TRIES)):
            self._controller = Controller(self, hostname=HOST, port=_free_port(), server_hostname="localhost")
            try:
                self._controller.start()
                break
            except OSError:  # somebody took the port between finding and using it
                if not left:
                    raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._controller is not None:
            self._controller.stop()

    @property
    def url(self) -> str:
        """The catcher as a mail server in the settings; only inside the context."""
        assert self._controller is not None, "the catcher was not entered"
        return f"smtp://{HOST}:{self._controller.port}"

    async def handle_DATA(self, _server: SMTP, _talk: Conversation, envelope: Envelope) -> str:
        """Keep a letter; called by aiosmtpd, which fixes the name."""
        self._keep(envelope.original_content or b"")
        return "250 caught"

    def _keep(self, content: bytes) -> None:
        message = email.message_from_bytes(content, policy=email.policy.default)
        subject = str(message["Subject"])
        name = f"{len(self.caught) + 1:02}-{_NAME.sub('-', subject.lower()).strip('-')[:40].rstrip('-')}"
        file = self.folder / f"{name}.eml"
        file.write_bytes(content)
        page = None
        if (html := message.get_body(preferencelist=("html",))) is not None:
            page = file.with_suffix(".html")
            page.write_text(html.get_content(), "utf-8")
        self.caught.append(Caught(str(message["Message-ID"]), subject, file, page))


def arrivals(database: Database, caught: Iterable[Caught]) -> list[Arrival]:
    """The caught letters in the order in which they were sent; one the outbox does not call sent is left out."""
    with database.reading() as store:
        sent = {row.message_id: row for row in letters.letters_of(store, state="sent")}
    found = (
        Arrival(row.id, row.finished_at, row.case, row.letter, row.role, one)
        for one in caught
        if (row := sent.get(one.message_id)) is not None and row.finished_at is not None
    )
    return sorted(found, key=lambda arrival: (arrival.at, arrival.number))


def arrival_lines(found: Iterable[Arrival], most: int) -> list[str]:
    """A table of letters, equal ones of one moment on one line; at most so many lines, the last says what is left."""
    groups: dict[tuple[object, ...], list[Arrival]] = {}
    for one in sorted(found, key=lambda one: (one.at, one.role, one.letter)):
        at = None if one.letter == DAILY else one.at
        groups.setdefault((at, one.role, one.letter), []).append(one)
    together = list(groups.values())
    shown = together if len(together) < most else together[: most - 2]
    columns = (Column("SENT (FIRST)"), Column("TO"), Column(""), Column("SUBJECT (OF THE FIRST)", least=16))
    rows = [
        (local(group[0].at), group[0].role, f"{len(group)} x" if len(group) > 1 else "", group[0].caught.subject)
        for group in shown
    ]
    left = sum(map(len, together[len(shown) :]))
    return [*table(columns, rows), *([f"and {left} more"] if left else [])]


def _free_port() -> int:
    """A port that was free a moment ago: aiosmtpd cannot pick one itself."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
