"""Credentials and tokens: who may read the file, when a token is renewed, and that a rotated one is never lost."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from office import SECRETS, credentials, manners, office, reached, when
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from virtual import run_virtually

from loket.credentials import Credentials, Replacement, alone_with, read_credentials
from loket.errors import LoketError, Misread, NoAnswer, NotAdmitted, NotUsable
from loket.patience import Patience
from loket.tokens import Tokens
from loket.wire import Wire
from scripts.loket_fake import FakeLoket

LOG_IN = "http://127.0.0.1/token"


def tokens_of(fake: FakeLoket, path: Path, act: Any, **more: Any) -> Any:
    """Do something with the tokens of one set of credentials, on a clock that jumps."""

    async def main() -> Any:
        kind = manners(fake, **more)
        async with Wire(kind.timeout, kind.transport) as wire:
            return await act(Tokens(path, LOG_IN, wire, Patience(kind)))

    return run_virtually(main())


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_credentials_are_read_and_never_shown(tmp_path: Path) -> None:
    found = read_credentials(credentials(tmp_path))

    assert found == Credentials("schakel", *SECRETS)
    assert not any(secret in repr(found) for secret in SECRETS)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = credentials(tmp_path)
    path.chmod(mode)

    with pytest.raises(NotUsable, match=r"can be read by others .*chmod 600"):
        read_credentials(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "must hold an object with client_id, client_secret, refresh_token"),
        ('{"client_id": "c", "client_secret": "hunter2"}', "must hold refresh_token as text"),
        ('{"client_id": "c", "client_secret": 5, "refresh_token": "r"}', "must hold client_secret as text"),
        ('{"client_id": "c", "client_secret": "hunter 2", "refresh_token": "r\\n"}', "client_secret, refresh_token"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_without_showing_it(
    tmp_path: Path, content: str, says: str
) -> None:
    path = credentials(tmp_path)
    path.write_text(content)

    with pytest.raises(NotUsable, match=says) as refused:
        read_credentials(path)

    assert "hunter" not in str(refused.value)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotUsable, match=r"SCHAKEL_LOKET_CREDENTIALS.*No such file"):
        read_credentials(tmp_path / "no.json")
    with pytest.raises(NotUsable, match="cannot be read"):
        read_credentials(tmp_path)


def test_a_replaced_token_keeps_what_else_stands_in_the_file_and_who_may_read_it(tmp_path: Path) -> None:
    path = credentials(tmp_path, note="made in May")
    old = path.stat().st_ino

    with Replacement(path) as replacement:
        replacement.put("fresh")

    assert json.loads(path.read_text()) == {
        "client_id": "schakel",
        "client_secret": SECRETS[0],
        "refresh_token": "fresh",
        "note": "made in May",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino != old  # a new file took its place, so nobody ever read half of one
    assert [file.name for file in tmp_path.iterdir()] == ["loket.json"]


def test_a_link_to_the_credentials_stays_a_link(tmp_path: Path) -> None:
    path = credentials(tmp_path)
    link = tmp_path / "link.json"
    link.symlink_to(path)

    with Replacement(link) as replacement:
        replacement.put("fresh")

    assert link.is_symlink()
    assert read_credentials(path).refresh_token == "fresh"


def test_a_replacement_that_is_not_used_leaves_nothing_behind(tmp_path: Path) -> None:
    path = credentials(tmp_path)

    with Replacement(path):
        pass

    assert [file.name for file in tmp_path.iterdir()] == ["loket.json"]
    assert read_credentials(path).refresh_token == SECRETS[1]


@pytest.mark.parametrize("taken", ["loket.json.lock", ".loket.json.{process}"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_token_is_used_up(tmp_path: Path, taken: str) -> None:
    fake, path = office(), credentials(tmp_path)
    (tmp_path / taken.format(process=os.getpid())).mkdir()

    with pytest.raises(NotUsable, match="must lie in a folder that Schakel can write"):
        tokens_of(fake, path, lambda tokens: tokens.current())

    assert fake.calls["/token"] == 0


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_and_the_rotated_one_is_on_disk(tmp_path: Path) -> None:
    fake, path = office(), credentials(tmp_path)

    async def twice(tokens: Tokens) -> set[str]:
        return {await tokens.current(), *(await asyncio.gather(*(tokens.current() for _ in range(10))))}

    (token,) = tokens_of(fake, path, twice)

    assert token in fake.access_tokens
    assert fake.calls["/token"] == 1
    assert read_credentials(path).refresh_token == fake.refresh_token != SECRETS[1]


def test_a_token_is_renewed_a_minute_before_it_ends(tmp_path: Path) -> None:
    fake, path = office(), credentials(tmp_path)

    async def wait(tokens: Tokens) -> list[int]:
        asked = []
        for seconds in (0, 3530, 20):
            await asyncio.sleep(seconds)
            await tokens.current()
            asked.append(fake.calls["/token"])
        return asked

    assert tokens_of(fake, path, wait) == [1, 1, 2]


def test_a_token_that_is_refused_is_renewed_once_for_all_who_hold_it(tmp_path: Path) -> None:
    fake, path = office(), credentials(tmp_path)

    async def refused(tokens: Tokens) -> set[str]:
        old = await tokens.current()
        return set(await asyncio.gather(*(tokens.current(refused=old) for _ in range(5)))) - {old}

    assert len(tokens_of(fake, path, refused)) == 1
    assert fake.calls["/token"] == 2


def test_a_call_goes_on_with_a_fresh_token_when_its_own_is_refused(tmp_path: Path) -> None:
    fake = office()

    async def forget() -> int:
        async with reached(fake, tmp_path) as loket:
            await loket.employers("1")
            fake.access_tokens.clear()
            return len(await loket.employers("8106825"))

    assert run_virtually(forget()) == 1
    assert fake.calls["/token"] == 2


def test_two_processes_that_renew_at_once_each_get_their_turn(tmp_path: Path) -> None:
    fake, path = office(), credentials(tmp_path)

    async def both() -> set[str]:
        kind = manners(fake)
        async with Wire(kind.timeout, kind.transport) as wire:
            several = [Tokens(path, LOG_IN, wire, Patience(kind)) for _ in range(5)]
            return set(await asyncio.gather(*(tokens.current() for tokens in several)))

    assert len(run_virtually(both())) == 5
    assert read_credentials(path).refresh_token == fake.refresh_token


def test_somebody_who_never_stops_renewing_is_told_of(tmp_path: Path) -> None:
    path = credentials(tmp_path)

    async def wait() -> None:
        async with alone_with(path), alone_with(path):
            pass

    with pytest.raises(NoAnswer, match="renewing the token"):
        run_virtually(wait())


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (JSONResponse({"error": "invalid_grant"}, 400), NotAdmitted, r"\(invalid_grant\): log in to Loket.nl anew"),
        (JSONResponse({"error": f"x {SECRETS[1]}"}, 400), NotAdmitted, r"refresh token \(400\)"),
        (Response(status_code=401), NotAdmitted, r"\(401\)"),
        (HTMLResponse("<p>hello</p>"), Misread, "does not answer as a log-in does"),
        (Response(status_code=302, headers={"location": "https://x.example"}), Misread, r"\(302\)"),
        (JSONResponse({"token_type": "bearer"}), Misread, "without a token that can be used"),
        (JSONResponse({"access_token": "a b"}), Misread, "without a token that can be used"),
        (JSONResponse({"access_token": "a\r\nX-Evil: 1"}), Misread, "without a token that can be used"),
        (JSONResponse({"access_token": ""}), Misread, "without a token that can be used"),
        (Response(status_code=500), NoAnswer, r"\(500\), 4 times"),
    ],
)
def test_a_log_in_that_fails_is_told_without_a_secret_and_changes_nothing(
    tmp_path: Path, answer: Response, error: type[LoketError], says: str
) -> None:
    fake, path = office(), credentials(tmp_path)
    fake.fault = when("/token", answer)

    with pytest.raises(error, match=says) as raised:
        tokens_of(fake, path, lambda tokens: tokens.current())

    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert read_credentials(path).refresh_token == SECRETS[1]


def test_a_rotated_token_is_kept_even_when_the_rest_of_the_answer_is_no_use(tmp_path: Path) -> None:
    fake, path = office(), credentials(tmp_path)
    fake.fault = when("/token", JSONResponse({"refresh_token": "rotated"}))

    with pytest.raises(Misread):
        tokens_of(fake, path, lambda tokens: tokens.current())

    assert read_credentials(path).refresh_token == "rotated"


def test_what_is_sent_to_log_in_is_what_the_provider_describes(tmp_path: Path) -> None:
    fake, path, heard = office(), credentials(tmp_path), []

    async def listen(request: Request) -> None:
        heard.append((await request.body()).decode())

    fake.fault = listen
    tokens_of(fake, path, lambda tokens: tokens.current())

    assert heard == [
        "grant_type=refresh_token&refresh_token=refresh-0&client_id=schakel&client_secret=hush-hush-client",
    ]
