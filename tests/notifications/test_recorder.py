"""The recorder: what waits is committed together, in the order it was asked for, and a failure harms only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from employers import bring, employer

from notifications.recorder import Act, Recorder
from workflow import Engine, Origin
from workflow.answers import Case
from workflow.clock import SetClock
from workflow.events import Kind
from workflow.storage.store import Store
from workflow.work import Work

ORIGIN = Origin("worker", "worker-os", "worker")


@pytest.fixture
def recorder(sqlite_engine: Engine, clock: SetClock) -> Recorder:
    return Recorder(sqlite_engine.database, sqlite_engine.rules, ORIGIN, clock)


def case_id(engine: Engine, case: str) -> int:
    with engine.database.reading() as store:
        found = store.find(reference=case, external=None)
    assert found is not None
    return found[0]


def saying(answer: str, seen: list[tuple[str, Store]]) -> Act[str]:
    """Answers this, and remembers in which transaction."""

    def act(store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
        seen.append((answer, store))
        return lambda: answer

    return act


def failing(_store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
    raise LookupError("as it should")


def test_what_waits_is_recorded_in_one_transaction_in_the_order_it_was_asked_for(recorder: Recorder) -> None:
    seen: list[tuple[str, Store]] = []

    async def ask() -> list[str]:
        return await asyncio.gather(*(recorder.submit(saying(answer, seen)) for answer in "abc"))

    answers = asyncio.run(ask())

    assert answers == ["a", "b", "c"]
    assert [answer for answer, _ in seen] == ["a", "b", "c"]
    assert len({id(store) for _, store in seen}) == 1


def test_what_is_asked_later_is_recorded_too(recorder: Recorder) -> None:
    seen: list[tuple[str, Store]] = []

    async def ask() -> list[str]:
        return [await recorder.submit(saying(answer, seen)) for answer in "ab"]

    assert asyncio.run(ask()) == ["a", "b"]


def test_one_that_fails_is_told_so_and_takes_no_other_with_it(recorder: Recorder) -> None:
    seen: list[tuple[str, Store]] = []

    async def ask() -> list[str | BaseException]:
        acts = (saying("a", seen), failing, saying("c", seen))
        return await asyncio.gather(*(recorder.submit(act) for act in acts), return_exceptions=True)

    first, second, third = asyncio.run(ask())

    assert (first, third) == ("a", "c")
    assert isinstance(second, LookupError)


def test_one_that_fails_alone_is_tried_once(recorder: Recorder) -> None:
    tries: list[None] = []

    def counting(_store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
        tries.append(None)
        raise LookupError("as it should")

    async def ask() -> str:
        return await recorder.submit(counting)

    with pytest.raises(LookupError, match="as it should"):
        asyncio.run(ask())

    assert len(tries) == 1


def test_after_a_failure_it_goes_on(recorder: Recorder) -> None:
    async def ask() -> str:
        with pytest.raises(LookupError):
            await recorder.submit(failing)
        return await recorder.submit(saying("b", []))

    assert asyncio.run(ask()) == "b"


def test_to_finish_is_to_wait_for_all_that_was_submitted(recorder: Recorder) -> None:
    async def ask() -> list[bool]:
        await recorder.finish()
        futures = [recorder.submit(saying(answer, [])) for answer in "ab"]
        await recorder.finish()
        return [future.done() for future in futures]

    assert asyncio.run(ask()) == [True, True]


def test_somebody_who_no_longer_waits_hinders_nobody(recorder: Recorder) -> None:
    seen: list[tuple[str, Store]] = []

    async def ask() -> str:
        recorder.submit(saying("a", seen)).cancel()
        recorder.submit(failing).cancel()
        return await recorder.submit(saying("b", seen))

    assert asyncio.run(ask()) == "b"
    assert "a" in [answer for answer, _ in seen]


def test_the_cases_that_were_asked_for_are_there_and_what_is_appended_to_them_is_kept(
    recorder: Recorder, sqlite_engine: Engine, clock: SetClock
) -> None:
    first, second = (sqlite_engine.open_case(employer()).case.reference for _ in range(2))
    ids = [case_id(sqlite_engine, case) for case in (second, first)]

    def note(_store: Store, works: Mapping[int, Work]) -> Callable[[], list[str]]:
        for work in works.values():
            work.append(Kind.NOTED, {}, personal={"text": "hallo"})
        return lambda: [work.case.reference for work in works.values()]

    assert recorder.run_now(note, ids) == [first, second]

    for case in (first, second):
        event = sqlite_engine.history(case)[-1].event
        assert (event.kind, event.origin, event.at) == (Kind.NOTED, ORIGIN, clock.now())


def test_an_act_that_fails_leaves_nothing_of_what_it_appended(recorder: Recorder, sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "rights_pending")

    def note_and_fail(_store: Store, works: Mapping[int, Work]) -> Callable[[], str]:
        for work in works.values():
            work.append(Kind.NOTED, {}, personal={"text": "hallo"})
        raise LookupError("as it should")

    with pytest.raises(LookupError):
        recorder.run_now(note_and_fail, [case_id(sqlite_engine, case)])

    assert [step.event.kind for step in sqlite_engine.history(case)] == [Kind.OPENED]


def hold(monkeypatch: pytest.MonkeyPatch, held: int, while_: Callable[[], bool]) -> None:
    """As on PostgreSQL: while somebody else holds this case, who wants it if it is free does not get it."""
    find = Store.cases_by_id

    def find_if_free(store: Store, wanted: Sequence[int], *, if_free: bool = False) -> list[tuple[int, Case]]:
        is_held = if_free and held in wanted and while_()
        return [found for found in find(store, wanted) if not (is_held and found[0] == held)]

    monkeypatch.setattr(Store, "cases_by_id", find_if_free)


def test_an_act_whose_case_is_in_other_hands_waits_for_it_and_keeps_no_other_waiting(
    recorder: Recorder, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, free = (case_id(sqlite_engine, bring(sqlite_engine, "rights_pending")) for _ in range(2))
    tries, done, pauses = [True] * 5, list[str](), list[float]()
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    def doing(name: str) -> Act[str]:
        def act(_store: Store, works: Mapping[int, Work]) -> Callable[[], str]:
            done.append(f"{name} {sorted(works)}")
            return lambda: name

        return act

    async def ask() -> list[str]:
        acts = [recorder.submit(doing("held"), [held, free]), recorder.submit(doing("free"), [free])]
        return await asyncio.gather(*acts)

    hold(monkeypatch, held, lambda: bool(tries and tries.pop()))
    monkeypatch.setattr("notifications.recorder._PAUSES", (1, 5))
    monkeypatch.setattr(asyncio, "sleep", pause)

    assert asyncio.run(ask()) == ["held", "free"]

    assert done == [f"free {[free]}", f"held {[held, free]}"]
    assert [seconds for seconds in pauses if seconds] == [1, 2, 4, 5]
    tries += [True] * 5
    assert recorder.run_now(doing("now"), [held]) == "now"


def test_an_act_that_does_not_wait_for_its_case_is_not_run_while_it_is_in_other_hands(
    recorder: Recorder, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, free = (case_id(sqlite_engine, bring(sqlite_engine, "rights_pending")) for _ in range(2))
    done, pauses = list[str](), list[float]()
    taken = [True]

    def doing(name: str) -> Act[str]:
        def act(_store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
            done.append(name)
            return lambda: name

        return act

    def fail(_store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
        raise LookupError("as it should")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def ask(*cases: Sequence[int]) -> list[str | None]:
        return await asyncio.gather(*(recorder.submit_if_free(doing(str(ids)), ids) for ids in cases))

    async def ask_with_one_that_fails() -> list[str | BaseException | None]:
        acts = [recorder.submit(fail), recorder.submit_if_free(doing("held"), [held])]
        return list(await asyncio.gather(*acts, return_exceptions=True))

    hold(monkeypatch, held, lambda: taken[0])
    monkeypatch.setattr("asyncio.sleep", pause)

    assert asyncio.run(ask([held])) == [None]
    assert asyncio.run(ask([held, free], [free])) == [None, str([free])]
    assert asyncio.run(ask_with_one_that_fails())[1] is None
    assert done == [str([free])]
    assert not any(pauses), "nobody waits for what is not tried again"
    taken[0] = False
    assert asyncio.run(ask([held])) == [str([held])]


def test_what_is_asked_while_another_fails_is_recorded_too(recorder: Recorder) -> None:
    later: list[asyncio.Future[str]] = []

    async def ask() -> list[str]:
        loop = asyncio.get_running_loop()

        def fail(_store: Store, _works: Mapping[int, Work]) -> Callable[[], str]:
            loop.call_soon_threadsafe(lambda: later.append(recorder.submit(saying("b", []))))
            raise LookupError("as it should")

        with pytest.raises(LookupError):
            await recorder.submit(fail)
        await recorder.finish()
        return [future.result() for future in later if future.done()]

    assert asyncio.run(ask()) == ["b"]
