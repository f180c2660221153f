"""Mail servers in a process of their own that take every letter and keep none: aiosmtpd, and one that only answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.smtp import SMTP

HOST = "127.0.0.1"
_END = b"\r\n.\r\n"


@contextmanager
def running(kind: str) -> Iterator[int]:
    """A sink of one of the KINDS that runs meanwhile; its port."""
    command = [sys.executable, "-P", "-m", "tests.benchmarks.sink", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()  # it ends when it sees that


class _Bare(asyncio.Protocol):
    """Says as little as SMTP asks, as fast as it can: a fourth of the time that aiosmtpd takes."""

    def __init__(self) -> None:
        self._heard = b""
        self._in_letter = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while self._heard:
            end = _END if self._in_letter else b"\r\n"
            said, found, rest = self._heard.partition(end)
            if not found:
                return
            self._heard = rest
            self._answer(said)

    def _answer(self, said: bytes) -> None:
        verb = said[:4].upper()
        if self._in_letter:
            self._in_letter = False
            self._transport.write(b"250 taken\r\n")
        elif verb == b"DATA":
            self._in_letter = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250-sink\r\n250 8BITMIME\r\n" if verb == b"EHLO" else b"250 ok\r\n")


class _Forgetful:
    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        return "250 taken"


def _aiosmtpd() -> asyncio.Protocol:
    return SMTP(_Forgetful(), hostname="sink", ident="ESMTP")


KINDS: dict[str, Callable[[], asyncio.Protocol]] = {"aiosmtpd": _aiosmtpd, "a bare sink": _Bare}


async def _serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(KINDS[kind], HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
