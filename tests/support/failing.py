"""A disk that fails under Schakel: EIO at a certain call, or by chance, through a library that stands before libc's."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hands import Nursery

from scripts.cli import cli
from scripts.wiring import Session

SOURCE = Path(__file__).with_name("eio.c")


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code, its error, and how many calls to the disk it made."""

    code: int
    said: str
    calls: int
    hits: int
    complaints: str


def broken_disk(folder: Path, file: Path) -> dict[str, str]:
    """The environment in which the disk can fail under this file and what lies beside it; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("without a C compiler (cc) no disk can be made to fail")
    library = folder / "eio.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "EIO_FILE": str(file)}


class Disk:
    """Runs commands whose calls to the disk fail."""

    def __init__(self, nursery: Nursery, folder: Path, environ: Mapping[str, str]) -> None:
        self._nursery, self._folder, self._environ = nursery, folder, environ
        self._runs = 0

    def run(self, *words: str, failing: int = 0, lasts: bool = False) -> Done:
        """Run a command with `--json`; this call of it to the disk fails (0: none), and if it lasts those after it."""
        self._runs += 1
        answer = self._folder / f"answer-{self._runs}"
        given = (str(answer), json.dumps(dict(self._environ)), str(failing), str(int(lasts)), *words, "--json")
        process = self._nursery.birth(given, self._folder / f"complaints-{self._runs}")
        assert process.wait() == 0, process.complaints()
        return Done(**json.loads(answer.read_text()))


def command(answer: str, environ: str, failing: str, lasts: str, *words: str) -> None:
    """What the process does that runs one command."""
    library = ctypes.CDLL(None)
    out, complaints = io.StringIO(), io.StringIO()
    library.eio_arm(int(failing), int(lasts))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaints):
        code = cli.main(list(words), obj=Session(environ=json.loads(environ)), standalone_mode=False)
    calls, hits = library.eio_calls(), library.eio_hits()
    library.eio_arm(0, 0)
    document = json.loads(out.getvalue())
    said = document.get("message", "") if isinstance(document, dict) else ""
    done = {"code": code, "said": said, "calls": calls, "hits": hits, "complaints": complaints.getvalue()}
    Path(answer).write_text(json.dumps(done))
