"""How pytest runs below mutmut (scripts/mutate): on SQLite, the tests that know most of a module first, not for long.

mutmut writes down which tests call which function, and gives each mutant all that call its own. For what every command
goes through that is all of them, so only some are run, those that call fewest functions and those that call most of
the module of the mutant, for as many seconds of a processor as they took without it. What survives a part counts as a
survivor: the figures can only be low.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

SECONDS = float(os.environ.get("SCHAKEL_MUTANT_SECONDS", "3"))
"""How long the tests of one mutant may take together, as they were measured without it."""
FILES = tuple(os.environ.get("SCHAKEL_MUTANT_FILES", "").split()) or ("",)
"""With what the names of tests begin that are run, if any of those calls the function."""
MOST = 2 * SECONDS + 3
"""After so many seconds of a processor a mutant counts as one that never ends,"""
PATIENCE = 2 * SECONDS + 6
"""and after so many by the clock that were not spent waiting for a processor."""
TIMED_OUT = 36
"""What mutmut takes an exit for when time ran out."""
FAILED_UNCHANGED = 38
"""The tests of a mutant failed without it, so what they say of it means nothing."""
TRIED_UNCHANGED = 50
"""One mutant in so many has its tests run without it first: a mutant that changes nothing has to survive."""
NOT_A_MUTANT = {"", "fail", "stats", "list_all_tests", "mutant_generation"}
HOUSES = {"workflow", "states", "notifications"}
POSTGRESQL = {"postgres_url", "postgres_server", "postgresql"}

_collected: dict[str, pytest.Item] = {}
_called_by_fixture: dict[str, set[str]] = {}
_cost_of_fixture: dict[str, float] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Few examples, always the same."""
    settings.register_profile(
        "mutants",
        parent=settings.get_profile("schakel"),
        max_examples=20,
        stateful_step_count=20,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    # what pytest escapes in the name of a parameter it may escape again in the next session of a process
    config.args[:] = dict.fromkeys(test.partition("[")[0] if "\\" in test else test for test in config.args)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the tests that are run without a mutant, and all that pytest has ready for them, for its forks."""
    if os.environ["MUTANT_UNDER_TEST"] == "":
        _collected.update({item.nodeid: item for item in session.items})
        session.config._ensure_unconfigure = lambda: None  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """When this is a fork with a mutant, try it and end: to collect its tests again would take longer than they do."""
    if not has_mutant():
        return
    gc.disable()
    forget()
    items = [_collected[test] for test in best(tests_of_mutant())]
    if zlib.crc32(os.environ["MUTANT_UNDER_TEST"].encode()) % TRIED_UNCHANGED == 0:
        try_unchanged()
    os.environ["SCHAKEL_MUTANT_FOLDER"] = folder = tempfile.mkdtemp(prefix="mutant-")
    threading.Thread(target=lose_patience, daemon=True).start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config._tmp_path_factory._basetemp = Path(folder)  # type: ignore[attr-defined]
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    end(pytest.ExitCode.OK)


def tests_of_mutant() -> list[str]:
    """Those that call its function."""
    function = os.environ["MUTANT_UNDER_TEST"].rpartition("__mutmut_")[0]
    return [test for test in state().tests_by_mangled_function_name[function] if test in _collected]


def has_mutant() -> bool:
    """Whether this process was forked to try one."""
    return os.environ.get("MUTANT_UNDER_TEST", "") not in NOT_A_MUTANT


def try_unchanged() -> None:
    """Run the tests in a fork of this process that has no mutant, and end when they fail there."""
    if fork := os.fork():
        if os.waitpid(fork, 0)[1]:
            os._exit(FAILED_UNCHANGED)
    else:
        set_mutant_under_test("unchanged")


def lose_patience() -> None:
    """End what does not end, on a machine that is busy with other things too."""
    began, busy = time.monotonic(), time.process_time()
    while time.monotonic() - began - hindered() < PATIENCE and time.process_time() - busy < MOST:
        time.sleep(1)
    os._exit(TIMED_OUT)


def hindered() -> float:
    """How many seconds this process was kept from a processor by others, as far as Linux tells."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path("/proc/self/schedstat").read_text("ascii").split()[1]) / 1e9
    return 0


def forget() -> None:
    """Empty what our modules keep from the runs before: it was made without the mutant."""
    for name in [name for name in sys.modules if name.partition(".")[0] in HOUSES]:
        for value in vars(sys.modules[name]).values():
            if callable(clear := getattr(value, "cache_clear", None)):
                clear()
            for attribute, means in vars(type(value)).items():
                if isinstance(means, functools.cached_property):
                    vars(value).pop(attribute, None)


def best(tests: list[str]) -> list[str]:
    """At least one: those that call least, then those that call most of its module, each as fit in half of the time.

    Of the files that were asked for, when any of their tests calls it.
    """
    tests = [test for test in tests if test.startswith(FILES)] or tests
    module = os.environ["MUTANT_UNDER_TEST"].rpartition(".")[0]
    of_module = Counter(
        test
        for function, callers in state().tests_by_mangled_function_name.items()
        if function.rpartition(".")[0] == module
        for test in callers
    )
    least = sorted(tests, key=lambda test: (calls()[test], duration(test), test))
    most = sorted(tests, key=lambda test: (-of_module[test], duration(test), test))
    few = fitting(least, SECONDS / 2)
    return few + fitting([test for test in most if test not in few], SECONDS / 2) or least[:1]


def fitting(tests: list[str], seconds: float) -> list[str]:
    """Those that fit in the time, the first ones first."""
    chosen = list[str]()
    for test in tests:
        if duration(test) <= seconds:
            seconds -= duration(test)
            chosen.append(test)
    return chosen


@functools.cache
def calls() -> Counter[str]:
    """How many functions each test calls."""
    return Counter(test for tests in state().tests_by_mangled_function_name.values() for test in tests)


def duration(test: str) -> float:
    """How many seconds it took unmutated, with something for collecting it."""
    return float(state().duration_by_test.get(test, 0)) + 0.01


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test that fails has killed the mutant: no more to do."""
    if has_mutant() and report.failed:
        end(pytest.ExitCode.TESTS_FAILED)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Count before the process is forked, so that no mutant has to."""
    calls()


def end(status: int) -> None:
    """Leave nothing but the answer."""
    shutil.rmtree(os.environ["SCHAKEL_MUTANT_FOLDER"], ignore_errors=True)
    os._exit(status)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only SQLite, and nothing slow."""
    kept = [item for item in items if not (needs_postgresql(item) or item.get_closest_marker("slow"))]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def needs_postgresql(item: pytest.Item) -> bool:
    """By what it asks for, or by its parameter."""
    asked = set(getattr(item, "fixturenames", ())) | set(item.name.partition("[")[2].rstrip("]").split("-"))
    return bool(asked & POSTGRESQL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember how long a processor was busy with it, and with fixtures that others use too: a fork makes them anew."""
    known, began = set(_cost_of_fixture), time.process_time()
    answer = yield
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        shared = sum(_cost_of_fixture.get(name, 0) for name in getattr(item, "fixturenames", ()) if name in known)
        state().duration_by_test[item.nodeid] = time.process_time() - began + shared
    return answer


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    """Remember what a fixture called, and cost, that more than one test uses."""
    before, began = set(state()._stats), time.process_time()
    state()._stats.clear()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            _called_by_fixture.setdefault(fixturedef.argname, set()).update(state()._stats)
            _cost_of_fixture[fixturedef.argname] = time.process_time() - began
        state()._stats |= before


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What the fixtures of a test called, it called too, also when another test had them made."""
    for name in getattr(item, "fixturenames", ()):
        state()._stats.update(_called_by_fixture.get(name, ()))
