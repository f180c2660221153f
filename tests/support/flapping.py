"""A mail server that goes down and comes up again, and that resets connections at every point of the conversation."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP
from sink import ADDRESS, AnyPort, Sink

UNSENT = ("connect", "ehlo", "mail", "rcpt")
"""Where a connection ends before a letter can have left: as it is made, or instead of the answer to a command."""
IN_DOUBT = ("data", "354", "dot", "kept")
"""Where it ends when a letter may have left: from DATA on, and after the final dot, the letter kept or not."""
ANSWERED = "answered"
"""After the answer to the final dot, which a reset may overtake."""
_RESET = struct.pack("ii", 1, 0)


class _Cutting(AnyPort):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.live: set[_Doomed] = set()

    def factory(self) -> SMTP:
        return _Doomed(self, self.handler, **self.SMTP_kwargs)

    async def down(self) -> None:
        self.server.close()
        for connection in tuple(self.live):
            connection.reset()

    async def up(self) -> None:
        self.server = await self.loop.create_server(self.factory, ADDRESS, self.port)


class _Doomed(SMTP):
    def __init__(self, house: _Cutting, sink: Any, **options: Any) -> None:
        super().__init__(sink, **options)
        self._house, self._sink, self._doom = house, sink, sink.next_doom()

    def is_cut_at(self, point: str) -> bool:
        """Whether this is the point where the connection is doomed to end; if so it ends."""
        if self._doom != point:
            return False
        self._doom = ""
        self._sink.cut.append(point)
        self.reset()
        return True

    def reset(self) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._house.live.add(self)
        super().connection_made(transport)
        self.is_cut_at("connect")

    def connection_lost(self, error: Exception | None) -> None:
        self._house.live.discard(self)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        await super().push(status)
        if str(status).startswith("354"):
            self.is_cut_at("354")

    async def smtp_EHLO(self, argument: str) -> None:
        if not self.is_cut_at("ehlo"):
            await super().smtp_EHLO(argument)

    async def smtp_MAIL(self, argument: str) -> None:
        if not self.is_cut_at("mail"):
            await super().smtp_MAIL(argument)

    async def smtp_RCPT(self, argument: str) -> None:
        if not self.is_cut_at("rcpt"):
            await super().smtp_RCPT(argument)

    async def smtp_DATA(self, argument: str) -> None:
        if not self.is_cut_at("data"):
            await super().smtp_DATA(argument)
            self.is_cut_at(ANSWERED)


@dataclass
class Flapping(Sink):
    """Each connection that is made ends at the next point of `dooms`; when these are used up it lasts."""

    dooms: Sequence[str] = ()
    cut: list[str] = field(default_factory=list)
    """Where connections were cut, in order."""
    controller = _Cutting
    _made: int = 0

    def next_doom(self) -> str:
        self._made += 1
        return self.dooms[self._made - 1] if self._made <= len(self.dooms) else ""

    def down(self) -> None:
        """Listen no more, and reset what is connected."""
        self._in_loop(self._controller.down())

    def up(self) -> None:
        """Listen again, at the same port."""
        self._in_loop(self._controller.up())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if server.is_cut_at("dot"):
            return "250 nobody hears"
        answer = await super().handle_DATA(server, session, envelope)
        server.is_cut_at("kept")
        return answer

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._controller.loop).result(30)
