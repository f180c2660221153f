"""The client: what it asks, how it pages, what each answer of Loket.nl leads to, and how long it keeps trying."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from office import ASKED, DAY, NUMBER, TOKEN, USER, complete, credentials, office, on_loopback, reached, when
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from virtual import run_virtually

from loket.client import ACCEPT, Loket, connected
from loket.errors import Denied, Misread, NoAnswer, NotAdmitted, NotThere, NotUsable
from loket.patience import Manners, Throttle
from loket.reading import Reading, Withheld, read
from loket.wire import Unheard, Wire
from scripts.loket_fake import FakeLoket, FakeUser, uuid_of

EMPLOYER = uuid_of(str(NUMBER)).lower()


async def asked(fake: FakeLoket, folder: Path, ask: Callable[[Loket], Any], **more: Any) -> Any:
    async with reached(fake, folder, **more) as loket:
        return await ask(loket)


def ask(fake: FakeLoket, folder: Path, question: Callable[[Loket], Any], **more: Any) -> Any:
    """What the client says, in a loop whose pauses take no time."""
    return run_virtually(asked(fake, folder, question, **more))


def test_every_request_carries_a_token_and_the_version_and_only_reads(tmp_path: Path) -> None:
    fake, seen = office(), []

    async def watch(request: Request) -> Response | None:
        seen.append((request.method, request.url.path, request.headers["accept"], request.headers.get("authorization")))
        return None

    fake.fault = watch
    ask(fake, tmp_path, lambda loket: read(loket, ASKED, DAY))

    assert seen[0][:2] == ("POST", "/token")
    assert {method for method, *_ in seen[1:]} == {"GET"}
    assert {accept for _, _, accept, _ in seen[1:]} == {ACCEPT}
    assert all(bearer and bearer.startswith("Bearer ") for *_, bearer in seen[1:])
    assert len(seen) == 6


def test_the_employer_is_found_by_its_number_even_when_the_filter_is_ignored(tmp_path: Path) -> None:
    fake = office()
    complete(fake, number=17)

    async def unfiltered(request: Request) -> Response | None:
        request.scope["query_string"] = b""
        return None

    fake.fault = unfiltered

    assert [one.id for one in ask(fake, tmp_path, lambda loket: loket.employers(str(NUMBER)))] == [EMPLOYER]


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (3, 1), (7, 3), (9, 3), (10, 4)])
def test_pages_are_read_until_the_last_one(tmp_path: Path, count: int, pages: int) -> None:
    fake = office(page_size=3)
    fake.employers[NUMBER].users = {str(n): FakeUser(f"user-{n}") for n in range(count)}

    users = ask(fake, tmp_path, lambda loket: loket.users(EMPLOYER))

    assert [user.user_name for user in users] == [f"user-{n}" for n in range(count)]
    assert fake.calls[f"/v2/providers/employers/{EMPLOYER}/users"] == pages


def test_an_empty_page_is_the_last_whatever_the_server_counts(tmp_path: Path) -> None:
    fake = office()
    fake.fault = when("/users", _json({"_embedded": [], "totalPages": 900, "currentPage": 2}))

    assert ask(fake, tmp_path, lambda loket: loket.users(EMPLOYER)) == ()


def test_a_server_that_always_says_page_two_of_three_is_asked_three_times_and_told_once(tmp_path: Path) -> None:
    fake = office()
    one = {"id": EMPLOYER, "userName": USER, "accessStatus": {"value": "Has access to Client"}}
    fake.fault = when("/users", _json({"_embedded": [one], "totalPages": 3, "currentPage": 2}))

    users = ask(fake, tmp_path, lambda loket: loket.users(EMPLOYER))

    assert (len(users), fake.calls[f"/v2/providers/employers/{EMPLOYER}/users"]) == (1, 3)


def test_a_server_without_end_is_left(tmp_path: Path) -> None:
    fake = office(page_size=1)
    fake.employers[NUMBER].users = {str(n): FakeUser(f"user-{n}") for n in range(201)}

    with pytest.raises(Misread, match="more than 200 pages"):
        ask(fake, tmp_path, lambda loket: loket.users(EMPLOYER))


@pytest.mark.parametrize("embedded", [{"isBlocked": False}, [{"isBlocked": False}]])
def test_integrations_come_as_an_object_or_an_array(tmp_path: Path, embedded: Any) -> None:
    fake = office()
    fake.fault = when("/integrations", _json({"_embedded": embedded}))

    assert len(ask(fake, tmp_path, lambda loket: loket.integrations(EMPLOYER))) == 1


def test_an_access_status_that_the_list_does_not_give_is_asked_for(tmp_path: Path) -> None:
    fake = office()
    bare = {"id": uuid_of(str(NUMBER), USER), "userName": USER.upper(), "accessStatus": None}
    fake.fault = when(f"{EMPLOYER}/users", _json({"_embedded": [bare], "totalPages": 1}))

    found = ask(fake, tmp_path, lambda loket: read(loket, ASKED, DAY))

    assert found.user.access_status.value == "Has access to Client"


# -- answers that are none ---------------------------------------------------------------------------------------------


def _json(document: Any, status: int = 200) -> Response:
    return JSONResponse(document, status)


MESSAGE = {"code": 83, "type": "BrokenBusinessRule", "description": f"{USER} is wrong"}
FATAL = {
    # answer                                                        error        says
    "400 JSON": (
        _json({"messages": [MESSAGE], "_embedded": []}, 400),
        Misread,
        r"does not understand our request \(400, codes 83\)",
    ),
    "400 text": (PlainTextResponse(f"SSL required for {USER}", 400), Misread, r"\(400, text/plain\)"),
    "401": (_json({"message": "denied"}, 401), NotAdmitted, "also not a fresh one"),
    "409": (_json({}, 409), Misread, r"\(409\)"),
    "429": (Response(status_code=429), NoAnswer, r"too many calls \(429\), 4 times"),
    "429 for an hour": (Response(status_code=429, headers={"Retry-After": "3600"}), NoAnswer, "come back later"),
    "500": (Response(status_code=500), NoAnswer, r"\(500\), 4 times"),
    "503": (HTMLResponse("<h1>maintenance</h1>", 503), NoAnswer, r"\(503\), 4 times"),
    "redirect": (RedirectResponse("https://elsewhere.example/login"), Misread, "another address"),
    "HTML": (HTMLResponse(f"<p>{USER}</p>"), Misread, "answered with text/html instead of JSON"),
    "no JSON": (Response(b"{", media_type="application/json"), Misread, "JSON that cannot be read"),
    "deep JSON": (Response(b"[" * 200_000, media_type="application/json"), Misread, "JSON that cannot be read"),
    "no collection": (_json({"message": "hello"}), Misread, "'_embedded' that is missing"),
    "an array": (_json([]), Misread, "missing or of another kind"),
    "wrong kind": (_json({"_embedded": ["x"], "totalPages": 1}), Misread, "of another kind"),
    "far too large": (Response(b" " * 10_000_001, media_type="application/json"), Misread, "more than 10 MB"),
}
PATHS = ("/employers", f"{EMPLOYER}/users", "/integrations", "/authorizations", "/payrolladministrations")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("answer", FATAL)
def test_an_answer_that_is_none_is_an_error_that_repeats_nothing_of_it(tmp_path: Path, path: str, answer: str) -> None:
    response, error, says = FATAL[answer]
    fake = office()
    fake.fault = when(path, response)

    with pytest.raises(error, match=says) as raised:
        ask(fake, tmp_path, lambda loket: read(loket, ASKED, DAY))

    assert USER not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(("status", "why"), [(403, Withheld.DENIED), (404, Withheld.GONE)])
@pytest.mark.parametrize("path", PATHS)
def test_what_we_may_not_see_is_noted_once_and_the_rest_is_read(
    tmp_path: Path, path: str, status: int, why: Withheld
) -> None:
    fake = office()
    fake.fault = when(path, _json({"message": f"no rights for {USER}"}, status))

    found: Reading = ask(fake, tmp_path, lambda loket: read(loket, ASKED, DAY))

    assert list(found.withheld.values()) == [why]
    assert sum(count for called, count in fake.calls.items() if called.endswith(path)) == 1


@pytest.mark.parametrize(("status", "error"), [(403, Denied), (404, NotThere)])
def test_a_user_that_is_asked_for_by_itself_may_be_withheld_too(tmp_path: Path, status: int, error: type) -> None:
    fake = office()
    fake.fault = when(f"users/{EMPLOYER}", Response(status_code=status))

    with pytest.raises(error):
        ask(fake, tmp_path, lambda loket: loket.user(EMPLOYER))


def test_a_time_out_is_tried_four_times_and_then_told(tmp_path: Path) -> None:
    fake = office()

    async def hang(request: Request) -> Response | None:
        await asyncio.sleep(10_000 if request.url.path != "/token" else 0)
        return None

    fake.fault = hang

    with pytest.raises(NoAnswer, match="it did not answer in time, 4 times"):
        ask(fake, tmp_path, lambda loket: loket.employers("1"), timeout=1)

    assert fake.calls["/v2/providers/employers"] == 4


def test_a_fault_that_passes_is_not_seen(tmp_path: Path) -> None:
    fake = office()
    fake.fault = when("/employers", Response(status_code=502), times=3)

    assert len(ask(fake, tmp_path, lambda loket: loket.employers(str(NUMBER)))) == 1
    assert fake.calls["/v2/providers/employers"] == 4


def test_each_pause_is_longer_than_the_one_before_and_as_long_as_we_are_asked(tmp_path: Path) -> None:
    fake, moments = office(), []

    async def refuse(request: Request) -> Response | None:
        if request.url.path == "/token":
            return None
        moments.append(asyncio.get_running_loop().time())
        return Response(
            status_code=503 if len(moments) < 3 else 429, headers={"Retry-After": "30"} if len(moments) == 3 else {}
        )

    fake.fault = refuse
    with pytest.raises(NoAnswer):
        ask(fake, tmp_path, lambda loket: loket.employers("1"), first_pause=1.0)

    first, second, third = (later - earlier for earlier, later in pairwise(moments))
    assert 1 <= first <= 1.5 + 0.01
    assert 2 <= second <= 3 + 0.01
    assert third == pytest.approx(30, abs=0.01)


def test_a_moment_to_come_back_at_is_counted_from_the_servers_own_clock(tmp_path: Path) -> None:
    fake = office()
    headers = {"Retry-After": "Mon, 20 Apr 2026 10:00:45 GMT", "Date": "Mon, 20 Apr 2026 10:00:00 GMT"}
    fake.fault = when("/employers", Response(status_code=503, headers=headers), times=1)

    async def time_it(loket: Loket) -> float:
        await loket.employers("1")
        return asyncio.get_running_loop().time()

    assert ask(fake, tmp_path, time_it) == pytest.approx(45, abs=0.1)


# -- the throttle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_minute", [1, 7, 120])
def test_no_minute_sees_more_calls_than_the_throttle_allows(per_minute: int) -> None:
    moments: list[float] = []

    async def many() -> None:
        throttle = Throttle(per_minute)

        async def one() -> None:
            for _ in range(10):
                await throttle.turn()
                moments.append(asyncio.get_running_loop().time())

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(one())

    run_virtually(many())

    assert len(moments) == 200
    assert max(sum(start <= at < start + 60 for at in moments) for start in moments) <= per_minute


def test_a_few_calls_may_follow_at_once_and_many_are_spread() -> None:
    moments: list[float] = []

    async def many() -> None:
        throttle = Throttle(60)
        for _ in range(50):
            await throttle.turn()
            moments.append(asyncio.get_running_loop().time())

    run_virtually(many())

    assert moments[9] == 0
    assert [moments[index] for index in (10, 20, 49)] == pytest.approx([10, 20, 40], abs=0.01)


def test_things_without_an_id_are_each_counted(tmp_path: Path) -> None:
    fake = office()
    bare = {"payrollTaxesNumber": None, "payrollPeriodType": {"key": 1}}
    fake.fault = when("/payrolladministrations", _json({"_embedded": [bare, bare], "totalPages": 1}))

    assert len(ask(fake, tmp_path, lambda loket: loket.administrations(EMPLOYER))) == 2


def test_second_tries_and_pages_count_for_the_throttle_too(tmp_path: Path) -> None:
    fake = office(page_size=1)
    fake.employers[NUMBER].users = {str(n): FakeUser(f"user-{n}") for n in range(5)}
    fake.fault = when("/users", Response(status_code=500), times=3)

    async def time_it(loket: Loket) -> float:
        await loket.users(EMPLOYER)
        return asyncio.get_running_loop().time()

    assert ask(fake, tmp_path, time_it, calls_per_minute=3) == pytest.approx(60 * 2, abs=0.1)  # 1 + 3 + 5 calls


# -- the network itself ------------------------------------------------------------------------------------------------


@contextmanager
def listening(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """A socket that does something odd with everyone who calls; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65_536)
                    act(caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def _get(url: str, timeout: float = 5.0) -> Any:
    async with Wire(timeout) as wire:
        return await wire.get(url, {"Authorization": "Bearer secret-token"}, {})


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda caller: None, "the connection broke"),
        (lambda caller: caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "the connection broke"),
        (lambda caller: caller.sendall(b"\xff\xfe what is this?\r\n\r\n"), "the connection broke"),
    ],
)
def test_a_broken_connection_is_told_without_what_was_sent(act: Callable[[socket.socket], None], says: str) -> None:
    with listening(act) as url, pytest.raises(Unheard, match=says) as raised:
        asyncio.run(_get(url))

    assert "secret-token" not in repr(raised.value) + repr(raised.value.__context__)


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    waiting = threading.Event()

    with listening(lambda _: bool(waiting.wait(5))) as url:
        with pytest.raises(Unheard, match="did not answer in time"):
            asyncio.run(_get(url, 0.2))
        waiting.set()


def test_a_server_that_never_stops_talking_is_given_up_too() -> None:
    stop = threading.Event()

    def drip(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            try:
                caller.sendall(b" ")
            except OSError:
                return

    with listening(drip) as url:
        with pytest.raises(Unheard, match="did not answer in time"):
            asyncio.run(_get(url, 0.2))
        stop.set()


def test_nobody_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v2"

    with pytest.raises(Unheard, match="no connection could be made"):
        asyncio.run(_get(url))


def test_it_all_works_over_a_real_socket(tmp_path: Path) -> None:
    fake = office()

    async def over(base: str) -> Reading:
        async with connected(f"{base}/v2/", f"{base}/token", credentials(tmp_path), Manners(60_000)) as loket:
            return await read(loket, ASKED, DAY)

    with on_loopback(fake) as base:
        found = asyncio.run(over(base))

    assert found.user is not None
    assert sum(right.is_enabled for right in found.rights or ()) == 6


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://api.loket.nl/v2",
            "http://10.0.0.1/v2",
            "ftp://127.0.0.1",
            "api.loket.nl",
            "https://",
            "https://[",
            "",
        ),
        *("https://me:hunter2@api.loket.nl", "https://api.loket.nl/v2?key=hunter2", "https://api.loket.nl:x/"),
    ],
)
def test_an_address_that_is_not_safe_is_refused_by_its_setting_and_not_shown(tmp_path: Path, url: str) -> None:
    async def connect() -> None:
        async with connected(url, TOKEN, credentials(tmp_path)):
            pass

    with pytest.raises(NotUsable, match="SCHAKEL_LOKET_API_URL") as refused:
        asyncio.run(connect())

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://api.loket.nl/v2", "http://localhost:1/v2", "http://127.0.0.9", "http://[::1]:8"]
)
def test_https_and_this_machine_are_fine(tmp_path: Path, url: str) -> None:
    async def connect() -> None:
        async with connected(url, TOKEN, credentials(tmp_path)):
            pass

    asyncio.run(connect())


def test_proxies_and_netrc_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    heard: list[bytes] = []

    def hear(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(hear) as url:
        heard.append(asyncio.run(_get(url)).body)

    assert heard == [b""]
