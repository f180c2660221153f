"""Tokens, secrets and what Loket.nl tells of people occur nowhere: not in a database, a history, a log or an error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from looking import bare
from office import PERSONAL, SECRETS, complete, when
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from scripts.loket_poll import poll_of
from scripts.worker import Worker
from tests.loket.conftest import Window

OTHERS_NUMBER = "123456782L01"
"""A wage tax number of Loket.nl's that holds a BSN, and is not the one of the form."""


@pytest.fixture
def tokens(window: Window) -> list[str]:
    """Every token that was ever given, of either kind."""
    given = [window.fake.refresh_token]

    async def note(request: Request) -> None:
        given.append(window.fake.refresh_token)
        bearer = request.headers.get("authorization")
        if bearer:
            given.append(bearer.removeprefix("Bearer "))

    window.fake.fault = note
    return given


def stored(window: Window, tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that lies anywhere: the files of the installation but its credentials, or a dump of each table."""
    url = window.environ["SCHAKEL_DATABASE_URL"]
    if url.startswith("postgresql"):
        with bare(url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                rows = connection.execute(f"SELECT t::text, to_jsonb(t)::text FROM {table} t").fetchall()
                yield table, repr(rows).encode()
                for row in connection.execute(f"SELECT * FROM {table}").fetchall():
                    yield (
                        table,
                        b"\0".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row),
                    )
    for file in sorted(tmp_path.rglob("*")):
        if file.is_file() and file.name != "loket.json":
            yield file.name, file.read_bytes()


def test_no_secret_and_no_persons_data_is_left_anywhere(
    window: Window,
    tokens: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    window.at(20, 7).run("init")
    employer = complete(window.fake, tax=OTHERS_NUMBER)
    window.open()

    for access in ("invited", "active", "blocked", "active"):
        employer.users["coupling"].access = access
        window.run("loket check E1")
        window.fake.access_tokens.clear()  # so that a call is refused, and the token renewed in between
    window.run("loket check --all-pending")
    window.run("advance E1 --accept-warnings")
    window.run("tick")
    for words in ("show E1 --reveal", "history E1 --full", "replay E1", "mail list", "doctor", "list"):
        window.run(words)

    secrets = {*SECRETS, *tokens, *PERSONAL, OTHERS_NUMBER, OTHERS_NUMBER[:9]}
    printed = "".join(window.said) + caplog.text + "".join(capfd.readouterr())
    places = [("what was printed", printed.encode()), *stored(window, tmp_path)]
    assert len(tokens) > 10
    assert len(places) > 3
    for place, content in places:
        for secret in secrets:
            assert secret.encode() not in content, (secret, place)


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"messages": [{"code": 1, "description": f"{PERSONAL[2]} {SECRETS[0]}"}]}, 400),
        Response(f"{PERSONAL[2]} {SECRETS[0]}", 400, media_type="text/plain"),
        Response(f"<p>{PERSONAL[2]} {SECRETS[0]}</p>", media_type="text/html"),
        JSONResponse({"_embedded": [{"id": 5, "userName": PERSONAL[2], "lastName": SECRETS[0]}]}),
        JSONResponse({"_embedded": [{"id": f"{PERSONAL[2]} {SECRETS[0]}"}]}),
        Response(f'{{"{PERSONAL[2]} {SECRETS[0]}', media_type="application/json"),
        Response(status_code=302, headers={"location": f"https://x.example/{PERSONAL[2]}?token={SECRETS[0]}"}),
    ],
)
@pytest.mark.parametrize("path", ["/users", "/token"])
def test_an_error_says_nothing_of_what_an_answer_held(
    sqlite_window: Window,
    path: str,
    answer: Response,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    window = sqlite_window
    caplog.set_level(logging.DEBUG)
    complete(window.fake)
    window.open()
    window.environ["SCHAKEL_TRACEBACK"] = "1"
    window.fake.fault = when(path, answer)

    window.run("loket check E1", code=1)

    printed = "".join(window.said) + caplog.text + "".join(capfd.readouterr())
    assert not any(secret in printed for secret in (*SECRETS, PERSONAL[2]))


def test_the_workers_log_has_counts_and_no_values(
    window: Window, tokens: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    window.at(20, 7)
    window.environ["SCHAKEL_LOKET_POLL"] = "true"
    complete(window.fake)
    window.open()
    session = window.session()
    worker = Worker(session, "w1")

    worker._guarded("loket")
    window.at(21, 7)
    Path(window.environ["SCHAKEL_LOKET_CREDENTIALS"]).chmod(0o644)
    worker._guarded("loket")
    session.close()

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["job"]) for line in lines] == [("pass", "loket")] * 2
    assert lines[0]["checked"] == 1
    assert "chmod 600" in lines[1]["fault"]
    assert not any(secret in str(lines) for secret in (*SECRETS, *tokens, *PERSONAL))


def test_a_database_has_no_field_for_credentials_and_the_file_is_its_owners_only(
    window: Window, tokens: list[str]
) -> None:
    window.at(20, 7)
    complete(window.fake)
    window.open()
    session = window.session()

    poll_of(session).run_once()

    session.close()
    path = Path(window.environ["SCHAKEL_LOKET_CREDENTIALS"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["refresh_token"] == window.fake.refresh_token
    assert len(tokens) > 2
