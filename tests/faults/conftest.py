"""What every fault needs: a key that signs, a clock that hands read, and hands that are gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from handiwork import FileClock, set_clock
from hands import Hands, Nursery, hands

from workflow.ledger.signing import Signer, make_key, read_signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    make_key(tmp_path / "signing.key", "schakel/test")
    return read_signer(tmp_path / "signing.key")


@pytest.fixture
def file_clock(tmp_path: Path) -> FileClock:
    return set_clock(tmp_path)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def crew(nursery: Nursery, url: str, tmp_path: Path, signer: Signer, file_clock: FileClock) -> Iterator[Hands]:
    with hands(nursery, url, tmp_path) as made:
        yield made
