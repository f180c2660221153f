"""What mutmut found, as a table by module, and each survivor as the lines it changed (scripts/mutate).

python tests/support/mutants.py [MODULE …]     the table; survivors go to mutants/survivors.txt
python tests/support/mutants.py --names        the names of all survivors
"""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutmut.stats import status_by_exit_code

MADE = Path("mutants")
HEADS = ("mutants", "not covered", "tried", "killed", "timed out", "survived", "killed of tried")
KILLED, SURVIVED, TIMED_OUT, NOT_COVERED, NOT_TRIED = "killed", "survived", "timeout", "no tests", "not checked"
FAILED_UNCHANGED = "failed unchanged"
WAYS_TO_END = {1: KILLED, 33: NOT_COVERED, 38: FAILED_UNCHANGED, None: NOT_TRIED}


def main(modules: list[str]) -> int:
    """Print the table and write the survivors; or their names only."""
    if modules == ["--names"]:
        names = [name for _, _, ended in found([]) for name, state in ended.items() if state == SURVIVED]
        sys.stdout.write("\n".join(names))
        return 0
    rows, survivors = {}, list[str]()
    for module, source, ended in found(modules):
        rows[module] = Counter(ended.values())
        survivors += changes(source, [name for name, state in ended.items() if state == SURVIVED])
    (MADE / "survivors.txt").write_text("\n".join(survivors), "utf-8")
    rows["together"] = sum(rows.values(), Counter[str]())
    sys.stdout.write(f"| module | {' | '.join(HEADS)} |\n|---|{'---:|' * len(HEADS)}\n")
    for module, row in rows.items():
        sys.stdout.write(f"| {module} | {' | '.join(figures(row))} |\n")
    for state, means in REMARKS.items():
        if rows["together"][state]:
            sys.stdout.write(f"\n{means}: {rows['together'][state]}\n")
    return 0


def found(modules: list[str]) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Per module that has mutants: its name, the file with them, and how each ended."""
    for meta in sorted(MADE.rglob("*.py.meta")):
        source = meta.with_suffix("")
        module = ".".join(source.relative_to(MADE).with_suffix("").parts)
        ended = {name: state_of(code) for name, code in json.loads(meta.read_text())["exit_code_by_key"].items()}
        if ended and (not modules or any(f"{module}.".startswith(f"{wanted}.") for wanted in modules)):
            yield module, source, ended


def state_of(code: int | None) -> str:
    """How a mutant ended. Killed by a test that failed, that is: pytest breaks in other ways too."""
    return WAYS_TO_END.get(code, TIMED_OUT if status_by_exit_code[code] == TIMED_OUT else SURVIVED)


def figures(row: Counter[str]) -> list[str]:
    """Those of one row of the table; a mutant that never ends was noticed, so it is one of the killed."""
    killed = row[KILLED] + row[TIMED_OUT]
    tried = killed + row[SURVIVED]
    share = f"{100 * killed / tried:.1f}%" if tried else "–"
    counts = (row.total(), row[NOT_COVERED], tried, killed, row[TIMED_OUT], row[SURVIVED])
    return [*(f"{count:,}" for count in counts), share]


def changes(source: Path, names: list[str]) -> Iterator[str]:
    """Per mutant its name, and the lines that it takes away and puts in their place."""
    if not names:
        return
    text = source.read_text("utf-8")
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name in names:
        short = name.rpartition(".")[2]
        original = functions[short.rpartition("__mutmut_")[0] + "__mutmut_orig"]
        before, after = (ast.unparse(body_of(node)).splitlines() for node in (original, functions[short]))
        yield name
        yield from (line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:3] not in MARKS)


REMARKS = {
    NOT_TRIED: "Not tried yet",
    FAILED_UNCHANGED: "Not counted, because their tests fail without a change too (a test that depends on another?)",
}
MARKS = ("---", "+++")


def body_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Module:
    """Without its name, which differs anyway."""
    return ast.Module([ast.Expr(function.args), *function.body], [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
