"""A made-up Loket.nl with an employer in it, and the ways to reach it: in this process, or over a socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from examples import RIGHTS
from starlette.requests import Request
from starlette.responses import Response

from loket.client import Loket, connected
from loket.patience import Manners
from loket.reading import Asked
from loket.wire import in_process
from scripts.loket_fake import FakeEmployer, FakeLoket, FakeUser

NUMBER = 8106825
TAX_NUMBER = "999900110L01"
USER = "koppeling.tst21"
"""As the complete case of examples.py has them."""
DAY = date(2026, 4, 20)
API, TOKEN = "http://127.0.0.1/v2", "http://127.0.0.1/token"
SECRETS = ("hush-hush-client", "refresh-0")
PERSONAL = ("Vera", "Verborgen", "vera.verborgen@example.com", "+31 13-7654321")
"""What the fake tells of its users, and nobody asked for."""
ASKED = Asked(str(NUMBER), USER, True, tuple(RIGHTS), TAX_NUMBER, "monthly")


def complete(fake: FakeLoket, *, number: int = NUMBER, user: str = USER, tax: str = TAX_NUMBER) -> FakeEmployer:
    """An employer of which everything is as the case says."""
    employer = fake.add(number, payrolls=[(tax, "monthly", None)])
    employer.users["coupling"] = FakeUser(user, "active", {*RIGHTS})
    return employer


def office(**more: Any) -> FakeLoket:
    """A Loket.nl that knows the complete employer."""
    fake = FakeLoket(RIGHTS, **more)
    complete(fake)
    return fake


def credentials(folder: Path, **more: str) -> Path:
    """A file with credentials that the fake accepts."""
    path = folder / "loket.json"
    path.touch(0o600)
    known = {"client_id": "schakel", "client_secret": SECRETS[0], "refresh_token": SECRETS[1]}
    path.write_text(json.dumps(known | more))
    return path


def manners(fake: FakeLoket, **more: Any) -> Manners:
    """The fake in this process, without pauses."""
    return Manners(**{"calls_per_minute": 60_000, "first_pause": 0.0, "transport": in_process(fake.app), **more})


@asynccontextmanager
async def reached(fake: FakeLoket, folder: Path, **more: Any) -> AsyncIterator[Loket]:
    """The client, connected to the fake."""
    path = credentials(folder, refresh_token=fake.refresh_token)
    async with connected(API, TOKEN, path, manners(fake, **more)) as loket:
        yield loket


def settings(path: Path, base: str = "http://127.0.0.1") -> dict[str, str]:
    """The settings that lead to the fake."""
    return {
        "SCHAKEL_LOKET_API_URL": f"{base}/v2",
        "SCHAKEL_LOKET_TOKEN_URL": f"{base}/token",
        "SCHAKEL_LOKET_CREDENTIALS": str(path),
    }


def when(part: str, response: Response, times: int = 1_000_000) -> Any:
    """A fault: paths that end with this answer so, the first so many times."""
    left = [times]

    async def fault(request: Request) -> Response | None:
        if not request.url.path.endswith(part) or not left[0]:
            return None
        left[0] -= 1
        return response

    return fault


@contextmanager
def on_loopback(fake: FakeLoket) -> Iterator[str]:
    """The fake behind a real socket of this machine; its base address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"app": fake.app}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Hands a request to an ASGI application, and its answer back."""

    app: Any

    def do_GET(self) -> None:
        asyncio.run(self._answer())

    do_POST = do_GET

    async def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        scope = {"type": "http", "method": self.command, "path": path, "query_string": query.encode()}
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self.app(scope | {"headers": headers, "http_version": "1.1", "scheme": "http"}, receive, send)
        self.send_response(said[0]["status"])
        for name, value in said[0]["headers"]:
            self.send_header(name.decode(), value.decode())
        self.end_headers()
        self.wfile.write(b"".join(message.get("body", b"") for message in said[1:]))

    def log_message(self, *_: object) -> None:
        """Say nothing."""
