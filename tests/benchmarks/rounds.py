"""Contestants that take turns in rounds, so that whatever else the machine does slows them all down alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple

from scripts import GARBAGE

Contestant = Callable[[], int]
"""Does a round's work; how many of its units that was."""
Samples = dict[str, list[float]]
"""Per contestant the seconds a unit took, round by round."""


class Line(NamedTuple):
    """A line of the table: how many times as fast (or, of costs, as dear) one thing was as another."""

    what: str
    against: str
    ratio: float
    low: float
    """A quarter of the rounds lay below."""
    high: float
    """A quarter of the rounds lay above."""
    rounds: int
    aim: str = ""
    remark: str = ""


def collect_as_commands_do() -> None:
    """Have this process look for garbage as seldom as a command does; both sides of a ratio, or neither."""
    gc.set_threshold(*GARBAGE)


def take_turns(contestants: Mapping[str, Contestant], rounds: int) -> Samples:
    """Run every contestant once a round, each round in another order; one round before them to warm up."""
    names = list(contestants)
    for name in names:
        contestants[name]()
    samples: Samples = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            samples[name].append(seconds_each(contestants[name]))
    return samples


def seconds_each(contestant: Contestant) -> float:
    """Seconds a unit took."""
    start = perf_counter()
    units = contestant()
    return (perf_counter() - start) / units


def speed(samples: Samples, ours: str, theirs: str, *, aim: str = "", what: str = "", against: str = "") -> Line:
    """How many times as fast ours was as theirs."""
    ratios = [other / own for own, other in zip(samples[ours], samples[theirs], strict=True)]
    return line(
        what or ours, against or theirs, ratios, aim=aim, remark=f"{rate(samples, ours)} : {rate(samples, theirs)}"
    )


def cost(samples: Samples, ours: str, theirs: str, *, aim: str = "", what: str = "", against: str = "") -> Line:
    """How many times as long ours took as theirs."""
    ratios = [own / other for own, other in zip(samples[ours], samples[theirs], strict=True)]
    shown = " : ".join(_shown(statistics.median(samples[name])) for name in (ours, theirs))
    return line(what or ours, against or theirs, ratios, aim=aim, remark=shown)


def _shown(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.2f} µs"


def line(what: str, against: str, ratios: list[float], *, aim: str = "", remark: str = "") -> Line:
    """The median of the rounds' ratios, and the quarters beside it."""
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Line(what, against, statistics.median(ratios), low, high, len(ratios), aim, remark)


def rate(samples: Samples, name: str) -> str:
    """Units a second, of the median round."""
    return f"{1 / statistics.median(samples[name]):,.0f}/s"


def fastest(samples: Samples, names: tuple[str, ...]) -> str:
    """Which of these took least in the median round."""
    return min(names, key=lambda name: statistics.median(samples[name]))


def fill_table(title: str, lines: list[Line]) -> str:
    """The lines as text."""
    wide = max(len(found.what) for found in lines)
    other = max(len(found.against) for found in lines)
    told = [f"\n{title}"]
    for found in lines:
        spread = f"({found.low:.2f}–{found.high:.2f}, n={found.rounds})"
        names = f"{found.what:<{wide}}  : {found.against:<{other}}"
        told.append(f"  {names}  {found.ratio:6.2f}  {spread:<21}  {found.aim:<6}  {found.remark}".rstrip())
    return "\n".join(told)
