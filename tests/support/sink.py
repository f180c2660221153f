"""A mail server on loopback that keeps what it gets and refuses what it is told to, and letters going to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, ClassVar, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from notifications.delivery import Delivery
from notifications.desk import Desk
from notifications.smtp_url import Server
from workflow import Engine, Origin

ADDRESS = "127.0.0.1"
WORKER = Origin("worker", "test", "worker")
ADDRESSES = {"asr": "asr@example.org", "keylane": "keylane@example.org", "operations": "beheer@example.org"}
DESK = Desk(sender="schakel@example.org", addresses=ADDRESSES)
NOBODY = Desk(sender="schakel@example.org")
"""A desk that knows the address of no role."""
PATIENCE = 60.0


class AnyPort(Controller):
    """Listens on a port that the system chose; counts the connections that are open."""

    opened = closed = 0

    def factory(self) -> SMTP:
        counter = self

        class Counted(SMTP):
            def connection_made(self, transport: Any) -> None:
                counter.opened += 1
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                counter.closed += 1
                super().connection_lost(error)

        return Counted(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        self.port = cast(Any, self.server).sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class Sink:
    """A real SMTP server; `answers` says what it answers to RCPT of an address instead of 250."""

    answers: dict[str, str] = field(default_factory=dict)
    letters: list[tuple[str, bytes]] = field(default_factory=list)
    """Recipient and bytes of what it said 250 to, in order."""
    controller: ClassVar[type[AnyPort]] = AnyPort
    steps: int = 0
    """How many RCPTs and letters it has seen."""

    def __enter__(self) -> Sink:
        self._changed = threading.Condition()
        self._controller = self.controller(self, hostname=ADDRESS, port=0, ready_timeout=30)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._controller.opened - self._controller.closed

    @property
    def server(self) -> Server:
        """How a delivery is told of it."""
        return Server(ADDRESS, self.port, "none", hello_name="tests.example.org", timeout=20, data_timeout=20)

    def tries(self, address: str) -> int:
        """How often somebody wanted to send to this address."""
        return self._asked[address]

    def messages(self, address: str | None = None) -> list[EmailMessage]:
        """What it got (for one address), parsed."""
        parsed = [message_from_bytes(raw, policy=policy.default) for to, raw in self.letters if address in (None, to)]
        return cast(list[EmailMessage], parsed)

    def copies(self) -> Counter[str]:
        """How often each Message-ID came in."""
        return Counter(str(message["Message-ID"]) for message in self.messages())

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition on what it got holds; False: it took too long."""
        with self._changed:
            return self._changed.wait_for(condition, PATIENCE)

    def __post_init__(self) -> None:
        self._asked: Counter[str] = Counter()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        with self._changed:
            self.steps += 1
            self._asked[address] += 1
            self._changed.notify_all()
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        with self._changed:
            self.steps += 1
            self.letters += [(address, envelope.original_content) for address in envelope.rcpt_tos]
            self._changed.notify_all()
        return "250 OK"


def delivery(
    engine: Engine, sink: Sink | None, desk: Desk = DESK, server: Server | None = None, connections: int = 4
) -> Delivery:
    """A worker's delivery of an engine's letters to a sink; None: no server is set."""
    to = server or (sink.server if sink else None)
    return Delivery(engine.database, engine.rules, engine.clock, WORKER, desk, to, connections=connections)


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether a condition comes to hold before the time is up."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True
