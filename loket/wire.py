"""One exchange with a server over HTTP: the only module that knows httpx. It neither retries nor understands."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from loket.errors import Misread, NotUsable

MOST_BYTES = 10_000_000
"""No answer that we ask for is larger; more is refused while it comes in."""
_SAID = (
    # what httpx raises      what it means
    (httpx.ConnectTimeout, "it did not take our call in time"),
    (httpx.TimeoutException, "it did not answer in time"),
    (httpx.ConnectError, "no connection could be made"),
)


class Unheard(Exception):
    """No answer came; says why, and nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever it says."""

    status: int
    kind: str
    """Its media type without parameters, in lower case; '' when it has none."""
    body: bytes = field(repr=False)
    retry_after: float = 0.0
    """Seconds that it asks us to stay away."""


class Wire:
    """Connections to the servers of one provider. `timeout` in seconds bounds each step, and four times it a whole."""

    def __init__(self, timeout: float = 30, transport: Any = None) -> None:
        self._whole = 4 * timeout
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10)),
            transport=transport,
            verify=ssl.create_default_context(),
            trust_env=False,  # no proxy, and no credentials from a .netrc, that nobody chose for this
            follow_redirects=False,
            headers={"User-Agent": "schakel"},
        )

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> Reply:
        """Ask once. Raises Unheard, and Misread of an answer that is too large or cannot be unpacked."""
        return await self._exchange(self._client.build_request("GET", url, headers=dict(headers), params=dict(query)))

    async def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """Send a form once. Raises Unheard and Misread."""
        return await self._exchange(self._client.build_request("POST", url, data=dict(form)))

    async def _exchange(self, request: httpx.Request) -> Reply:
        try:
            async with asyncio.timeout(self._whole):
                response = await self._client.send(request, stream=True)
                try:
                    body = await _body(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unheard("it did not answer in time") from None
        except httpx.DecodingError:
            raise Misread("Loket.nl answered with something that cannot be unpacked.") from None
        except httpx.TransportError as error:
            raise Unheard(
                next((said for kind, said in _SAID if isinstance(error, kind)), "the connection broke")
            ) from None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Reply(response.status_code, kind, body, _seconds(response.headers))


def in_process(app: Any) -> Any:
    """A way to an ASGI application in this process, to be given to a `Wire` as its transport."""
    return httpx.ASGITransport(app)


def checked_url(setting: str, url: str) -> str:
    """The URL without a slash at its end. Raises NotUsable naming the setting; never repeats what stands in it."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise NotUsable(f"{setting} is no URL that can be read.") from None
    if not host or parts.scheme not in {"http", "https"}:
        raise NotUsable(f"{setting} must be a URL that begins with https://.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise NotUsable(f"{setting} is plain http, which is only for this machine itself: write https://.")
    if _has_more(parts):
        raise NotUsable(f"{setting} must be a URL without a user, a password, a query or a fragment.")
    return url.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _has_more(parts: SplitResult) -> bool:
    return bool(parts.username or parts.password or parts.query or parts.fragment)


def _seconds(headers: Mapping[str, str]) -> float:
    """How long a service asks us to wait; a moment is counted from the one at which it says to have answered."""
    asked = headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        return (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (ValueError, TypeError, KeyError):
        return 0.0


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            raise Misread(
                f"Loket.nl answered with more than {MOST_BYTES // 1_000_000} MB, which nothing we ask for is."
            )
    return bytes(body)
