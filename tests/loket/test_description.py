"""The public description of Loket.nl's API: the made-up one answers as it says, and the client asks as it wants.

The description and Prism, a server that answers by it, come from the npm registry and are not in the repository; where
they cannot be had these tests are skipped, and say why.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from npm import Unavailable, description, prism
from office import ASKED, DAY, NUMBER, TAX_NUMBER, complete, credentials, office
from openapi import PATHS, only_ours, schema_of, violations
from pydantic import BaseModel

from loket.client import ACCEPT, Loket, connected
from loket.errors import Denied, LoketError, Misread, NoAnswer, NotAdmitted, NotThere
from loket.models import Administration, Detail, Employer, Integration, Page, Right, User
from loket.patience import Manners
from loket.reading import read
from scripts.loket_fake import FakeLoket, FakeUser, uuid_of

EMPLOYER, PERSON = uuid_of(str(NUMBER)), uuid_of(str(NUMBER), "koppeling.tst21")
WAIT = 30


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The description of the calls that we make."""
    try:
        return only_ours(description())
    except Unavailable as error:
        pytest.skip(f"the description of Loket.nl's API cannot be fetched: {error}")


# -- the made-up one answers as it says --------------------------------------------------------------------------------


def answers(fake: FakeLoket) -> dict[str, Any]:
    """What the fake says to each call, token and version given."""
    fake.access_tokens.add("t")
    headers = {"Authorization": "Bearer t", "Accept": "application/json;version=2018-01-01"}

    async def ask() -> dict[str, Any]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.app), base_url="http://x/v2") as client:
            found = {}
            for path in PATHS:
                url = path.format(employerId=EMPLOYER, userId=PERSON)
                reply = await client.get(url, headers=headers)
                assert reply.status_code == 200, path
                found[path] = reply.json()
            return found

    return asyncio.run(ask())


def rich() -> FakeLoket:
    """One of everything."""
    fake = office()
    employer = fake.employers[NUMBER]
    employer.users["coupling"].integrations = [False]
    for access in ("invited", "expired", "blocked", "shut"):
        employer.users[access] = FakeUser(f"user-{access}", access)
    employer.payrolls += [(None, "weekly", None), (TAX_NUMBER, "four_weekly", "2025-12-31")]
    complete(fake, number=17)
    return fake


@pytest.mark.parametrize("path", PATHS)
def test_the_made_up_loket_answers_as_the_description_says(described: dict[str, Any], path: str) -> None:
    assert list(violations(answers(rich())[path], schema_of(described, path))) == []


@pytest.mark.parametrize("path", [path for path in PATHS if not path.endswith("{userId}")])
def test_pages_and_empty_collections_are_as_described_too(described: dict[str, Any], path: str) -> None:
    fake = rich()
    fake._page_size = 1  # the pages of the fake are as small as its knobs say
    fake.employers[NUMBER].payrolls = []

    assert list(violations(answers(fake)[path], schema_of(described, path))) == []


@pytest.mark.parametrize(("status", "path"), [("400", PATHS[0]), ("401", PATHS[0])])
def test_refusals_are_as_described(described: dict[str, Any], status: str, path: str) -> None:
    fake = office()
    fake.access_tokens.add("t")
    headers = {"Authorization": "Bearer t", "Accept": "*/*"} if status == "400" else {}

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.app), base_url="http://x/v2") as client:
            return await client.get(path, headers=headers)

    reply = asyncio.run(ask())

    assert str(reply.status_code) == status
    assert list(violations(reply.json(), schema_of(described, path, status))) == []


def test_a_wrong_answer_would_be_found(described: dict[str, Any]) -> None:
    said = answers(rich())[PATHS[1]]
    schema = schema_of(described, PATHS[1])
    said["totalPages"] = "3"
    said["_embedded"][0] |= {"id": "x", "accessStatus": None, "hasIntegrations": 1, "userName": "ab"}

    found = list(violations(said, schema))

    assert len(found) == 6, found


def test_the_description_itself_knows_every_field_that_we_use(described: dict[str, Any]) -> None:
    used = {
        PATHS[0]: ("employerNumber", "id"),
        PATHS[1]: ("userName", "accessStatus", "id"),
        PATHS[2]: ("userName", "accessStatus", "id"),
        PATHS[3]: ("isBlocked",),
        PATHS[4]: ("description", "isEnabled"),
        PATHS[5]: ("payrollTaxesNumber", "payrollPeriodType", "endDate"),
    }

    for path, names in used.items():
        text = json.dumps(schema_of(described, path))
        assert all(f'"{name}": {{' in text for name in names), path


# -- Prism -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mock(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prism, answering by the description; its address."""
    try:
        program = prism()
    except Unavailable as error:
        pytest.skip(f"Prism cannot be fetched: {error}")
    file = tmp_path_factory.mktemp("prism") / "loket.json"
    file.write_text(json.dumps(described))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [str(program), "mock", "-h", "127.0.0.1", "-p", str(port), str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        timer = threading.Timer(WAIT, process.kill)
        timer.start()
        assert process.stdout is not None
        said = next((line for line in process.stdout if "is listening" in line), "")
        timer.cancel()
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        try:
            if not said:
                pytest.skip(f"Prism did not start within {WAIT} seconds")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()
            drain.join(5)


class Toward(httpx.AsyncBaseTransport):
    """The way to Prism: logs in by itself, asks for what is preferred, and keeps what Prism objects to."""

    def __init__(self, prefer: str = "") -> None:
        self._inner, self._prefer = httpx.AsyncHTTPTransport(), prefer
        self.objections: list[Any] = []
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "token-1", "token_type": "bearer", "expires_in": 3599})
        if self._prefer:
            request.headers["Prefer"] = self._prefer
        self.asked.append(str(request.url))
        response = await self._inner.handle_async_request(request)
        found = json.loads(response.headers.get("sl-violations", "[]"))
        self.objections += [one for one in found if one["location"][0] == "request"]
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def toward(mock: str, folder: Path, way: Toward, question: Callable[[Loket], Any]) -> Any:
    async def ask() -> Any:
        manners = Manners(60_000, first_pause=0.0, timeout=10, transport=way)
        async with connected(mock, f"{mock}/token", credentials(folder), manners) as loket:
            return await question(loket)

    return asyncio.run(ask())


CALLS: dict[str, Callable[[Loket], Any]] = {
    PATHS[0]: lambda loket: loket.employers("20720"),
    PATHS[1]: lambda loket: loket.users(EMPLOYER),
    PATHS[2]: lambda loket: loket.user(PERSON),
    PATHS[3]: lambda loket: loket.integrations(PERSON),
    PATHS[4]: lambda loket: loket.rights(EMPLOYER, PERSON),
    PATHS[5]: lambda loket: loket.administrations(EMPLOYER),
}


MODELS: dict[str, type[BaseModel]] = {
    PATHS[0]: Page[Employer],
    PATHS[1]: Page[User],
    PATHS[2]: Detail[User],
    PATHS[3]: Page[Integration],
    PATHS[4]: Page[Right],
    PATHS[5]: Page[Administration],
}


@pytest.mark.parametrize("path", PATHS)
def test_prism_accepts_every_request_and_its_example_is_understood(mock: str, tmp_path: Path, path: str) -> None:
    way = Toward()

    found = toward(mock, tmp_path, way, CALLS[path])

    assert way.objections == []
    assert found
    assert len(way.asked) == (1 if path in PATHS[2:4] else 3)  # its examples all say page 2 of 3


def test_a_whole_reading_goes_through_prism(mock: str, tmp_path: Path) -> None:
    way = Toward()

    found = toward(
        mock, tmp_path, way, lambda loket: read(loket, ASKED._replace(employer_number="20720", user_name="uSER42"), DAY)
    )

    assert way.objections == []
    assert found.user.access_status.value == "Has access to Client"
    assert (len(found.rights), len(found.integrations), found.withheld) == (1, 1, {})


@pytest.mark.parametrize("path", PATHS)
def test_answers_that_are_made_up_from_the_schema_are_understood_too(mock: str, path: str) -> None:
    url = mock + path.format(employerId=EMPLOYER, userId=PERSON)
    headers = {"Authorization": "Bearer token-1", "Accept": ACCEPT, "Prefer": "dynamic=true"}

    for _ in range(10):
        MODELS[path].model_validate(httpx.get(url, headers=headers).raise_for_status().json())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Misread), (401, NotAdmitted), (403, Denied), (404, NotThere), (500, NoAnswer)],
)
def test_every_refusal_that_is_described_is_understood(
    mock: str, tmp_path: Path, path: str, status: int, error: type[LoketError]
) -> None:
    with pytest.raises(error):
        toward(mock, tmp_path, Toward(f"code={status}"), CALLS[path])


@pytest.mark.parametrize(
    ("query", "headers", "accepted"),
    [
        ("pageNumber=2", {"Authorization": "Bearer token-1", "Accept": ACCEPT}, True),
        ("pageNumber=first", {"Authorization": "Bearer token-1", "Accept": ACCEPT}, False),
        ("", {"Accept": ACCEPT}, False),
        ("", {"Authorization": "token-1", "Accept": ACCEPT}, False),
    ],
)
def test_prism_would_object_to_a_wrong_request(mock: str, query: str, headers: dict[str, str], accepted: bool) -> None:
    assert httpx.get(f"{mock}/providers/employers?{query}", headers=headers).is_success is accepted
