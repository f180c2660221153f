"""Installs the peers from the package registry into `.venv-peers`, which nothing but this benchmark uses."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".venv-peers"
LOCK = Path(__file__).with_name("requirements.lock")
_STAMP = FOLDER / ".schakel-peers.lock"
_ASTRAY = (
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN",
    "PIP_NO_DEPS", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_EDITABLE", "PIP_NO_BINARY", "PIP_PLATFORM", "PIP_ABI",
    "PIP_PYTHON_VERSION", "PIP_IGNORE_INSTALLED", "PIP_LOG", "PYTHONHOME", "PYTHONPATH", "PYTHONWARNINGS",
)  # fmt: skip
"""What would lead an installation astray; where packages come from is left as it is set."""


def is_ready() -> bool:
    """Whether the peers are installed, as the lock names them."""
    return _python().exists() and _STAMP.exists() and _STAMP.read_bytes() == LOCK.read_bytes()


def prepare() -> Path:
    """Install what is not there yet; the Python that the peers run on. Ends the run when that is impossible."""
    with LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once install once
        if not is_ready():
            _install()
    return _python()


def _install() -> None:
    sys.stderr.write("Installing the peers in .venv-peers (once, about a minute) …\n")
    shutil.rmtree(FOLDER, ignore_errors=True)
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    has_pip = subprocess.run([base, "-P", "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    without = ["--without-pip"] if has_pip else []
    _run([base, "-P", "-m", "venv", *without, str(FOLDER)], "Making .venv-peers failed (Python's words are above).")
    _run(
        [
            base if has_pip else str(_python()),
            *("-P", "-m", "pip", "--python", str(_python()), "install", "--quiet", "--no-input", "--no-user"),
            *("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)),
        ],
        "Installing the peers failed (pip's words are above). When the index could not be reached: check the network,\n"
        "or set PIP_INDEX_URL to a mirror. When a package has no wheel for this Python: use Python 3.11, 3.12 or 3.13.",
    )
    _STAMP.write_bytes(LOCK.read_bytes())


def settings() -> dict[str, str]:
    """The environment without what would lead an installation, or a run, astray."""
    return {name: value for name, value in os.environ.items() if name not in _ASTRAY}


def _python() -> Path:
    return FOLDER / "bin" / "python"


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, env=settings(), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(failure)
