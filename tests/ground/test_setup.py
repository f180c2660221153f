"""The locks name no place, and scripts/schakel and scripts/test set up .venv once, safely, and only when they must.

Nothing here needs a network: pip is a few lines of shell that write down how they were called.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-test.lock")
SCRIPTS = ("scripts/schakel", "scripts/test", ".ci/run")
REAL_PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<rest>(?:.*\\\n)(?:    --hash=.*\n)+)?", re.M)

FAKE_PYTHON = f"""\
#!/bin/sh
case "$*" in
    *ensurepip*) echo "own {REAL_PYTHON}" ;;
    *'-m pip'*)
        echo "$*" >>"$LOG.pip"
        env >>"$LOG.env"
        [ -z "${{PIP_BREAKS:-}}" ] || {{ echo "$PIP_BREAKS"; exit 1; }} ;;
    *) exec "{REAL_PYTHON}" "$@" ;;
esac
"""
OLD_PYTHON = "#!/bin/sh\necho Python 3.9.2\nexit 1\n"
MAIN = """\
import os, sys
print(sys.argv[1:], os.environ.get("PYTHONPATH"), sys.stdin.read())
"""


def pins(lock: str) -> dict[str, str]:
    """Name → version of each line that pins one."""
    return {canonicalize_name(found["name"]): found["version"] for found in PINNED.finditer((ROOT / lock).read_text())}


@dataclass(frozen=True)
class Checkout:
    """A copy of the scripts in a place of its own, with a pip that only writes down what it was asked."""

    root: Path
    log: Path
    python: Path

    def run(self, script: str = "schakel", *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "scripts" / script, *args],
            env=self.environment | settings,
            cwd="/",
            input="from stdin",
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LOG": str(self.log),
            "SCHAKEL_PYTHON": str(self.python),
        }

    @property
    def installed(self) -> list[str]:
        """Each lock that pip was asked to install, in order."""
        calls = Path(f"{self.log}.pip")
        return [line.split()[-1] for line in calls.read_text().splitlines()] if calls.exists() else []


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a check out, né"
    (root / "scripts").mkdir(parents=True)
    for name in ("setup.sh", "schakel", "test"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)
    for name in LOCKS:
        shutil.copy(ROOT / name, root / name)
    (root / "scripts" / "__init__.py").touch()
    (root / "scripts" / "__main__.py").write_text(MAIN)
    return Checkout(root, tmp_path / "log", executable(tmp_path / "fake python", FAKE_PYTHON))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_no_index_and_no_place_of_the_machine_that_made_it(lock: str) -> None:
    text = (ROOT / lock).read_text()

    found = re.findall(r"https?:|file:|index-url|find-links|trusted-host|^-|\s-[ref]\s|[ =@]/\w+|@ ", text, re.M)

    assert found == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_pinned_and_has_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()

    unpinned = [line for line in text.splitlines() if re.match(r"\S", line) and not re.match(r"#|[\w.-]+==\d", line)]
    without_hash = [found["name"] for found in PINNED.finditer(text) if not found["rest"]]

    assert (unpinned, without_hash) == ([], [])


def test_the_lock_of_the_tests_holds_all_of_the_other_in_the_same_versions() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


def test_the_installed_program_looks_for_garbage_seldom_and_not_at_its_end() -> None:
    module, _, name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["schakel"].partition(
        ":"
    )
    told = "print(gc.get_threshold() == scripts.GARBAGE, gc.get_freeze_count() > 1000)"
    code = f"import atexit, gc, scripts; atexit.register(lambda: {told}); from {module} import {name}"

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )

    assert done.stdout == "True True\n"


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-test.lock": project["dependency-groups"]["test"],
    }

    missing = [
        str(wanted)
        for lock, lines in asked.items()
        for wanted in map(Requirement, lines)
        if not wanted.specifier.contains(pins(lock).get(canonicalize_name(wanted.name), "0"))
    ]

    assert missing == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("script", [*SCRIPTS, "scripts/setup.sh"])
def test_a_script_is_plain_shell(script: str, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")

    checked = subprocess.run([shell, "-n", ROOT / script], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_without_a_python_that_is_new_enough_it_says_so_and_makes_nothing(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin" / "python3", OLD_PYTHON)

    ran = checkout.run(PATH=str(tmp_path / "bin"), SCHAKEL_PYTHON="")

    assert ran.returncode == 1
    assert "needs Python 3.11 or newer" in ran.stderr
    assert not (checkout.root / ".venv").exists()


def test_a_python_that_was_named_and_will_not_do_is_named_back(checkout: Checkout, tmp_path: Path) -> None:
    old = executable(tmp_path / "old", OLD_PYTHON)

    ran = checkout.run(SCHAKEL_PYTHON=str(old))

    assert ran.returncode == 1
    assert f"SCHAKEL_PYTHON is {old}" in ran.stderr


def test_the_first_run_sets_up_and_hands_on_arguments_and_input(checkout: Checkout) -> None:
    ran = checkout.run("schakel", "show", "two words", "*")

    assert ran.stdout == "['show', 'two words', '*'] None from stdin\n"
    assert ran.stderr == "Setting up .venv (once, about a minute) …\n"
    assert checkout.installed == ["requirements.lock"]


def test_the_second_run_installs_nothing_and_says_nothing(checkout: Checkout) -> None:
    checkout.run()

    ran = checkout.run()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(checkout.installed) == 1


def test_a_lock_that_changed_is_installed_afresh(checkout: Checkout) -> None:
    checkout.run()
    leftover = checkout.root / ".venv" / "leftover"
    leftover.touch()
    (checkout.root / "requirements.lock").write_text("new==1\n")

    checkout.run()

    assert len(checkout.installed) == 2
    assert not leftover.exists()


def test_what_the_tests_installed_will_do_for_schakel(checkout: Checkout) -> None:
    checkout.run("test")

    checkout.run("schakel")

    assert checkout.installed == ["requirements-test.lock"]


def test_the_tests_add_to_what_schakel_installed(checkout: Checkout) -> None:
    checkout.run("schakel")
    kept = checkout.root / ".venv" / "kept"
    kept.touch()

    checkout.run("test")

    assert checkout.installed == ["requirements.lock", "requirements-test.lock"]
    assert kept.exists()


def test_a_failing_pip_is_heard_and_the_set_up_is_done_again(checkout: Checkout) -> None:
    failed = checkout.run(PIP_BREAKS="no such host")

    again = checkout.run()

    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "no such host" in failed.stderr
    assert "PIP_INDEX_URL" in failed.stderr
    assert (again.returncode, len(checkout.installed)) == (0, 2)


def test_two_runs_at_once_set_up_once(checkout: Checkout) -> None:
    script = checkout.root / "scripts" / "schakel"
    both = [
        subprocess.Popen(
            script,
            env=checkout.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]

    for run in both:
        run.communicate(timeout=120)

    assert [run.returncode for run in both] == [0, 0]
    assert len(checkout.installed) == 1


def test_a_checkout_that_was_moved_is_set_up_again(checkout: Checkout) -> None:
    checkout.run()
    moved = Checkout(checkout.root.rename(checkout.root.parent / "elsewhere"), checkout.log, checkout.python)

    ran = moved.run()

    assert (ran.returncode, len(checkout.installed)) == (0, 2)


def test_a_python_that_went_away_is_set_up_again(checkout: Checkout) -> None:
    checkout.run()
    python = checkout.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")

    ran = checkout.run()

    assert (ran.returncode, len(checkout.installed)) == (0, 2)


def test_settings_of_the_caller_lead_nothing_astray_but_say_where_packages_come_from(checkout: Checkout) -> None:
    ran = checkout.run(
        PYTHONPATH="/astray", PYTHONHOME="/astray", PIP_TARGET="/astray", PIP_USER="1", PIP_INDEX_URL="mirror"
    )

    seen = Path(f"{checkout.log}.env").read_text()
    assert ran.returncode == 0
    assert "/astray" not in seen + ran.stdout
    assert "PIP_USER" not in seen
    assert "PIP_INDEX_URL=mirror" in seen


def test_a_venv_that_somebody_else_made_is_left_alone(checkout: Checkout) -> None:
    theirs = checkout.root / ".venv" / "theirs"
    theirs.parent.mkdir()
    theirs.touch()

    ran = checkout.run()

    assert ran.returncode == 1
    assert "Move it away" in ran.stderr
    assert theirs.exists()


def test_it_runs_through_a_link_from_a_directory_with_a_scripts_of_its_own(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__main__.py").write_text("print('theirs')\n")
    link = tmp_path / "schakel"
    link.symlink_to(checkout.root / "scripts" / "schakel")

    ran = subprocess.run(
        [link], env=checkout.environment, cwd=tmp_path, input="", capture_output=True, text=True, check=False
    )

    assert ran.stdout == "[] None \n"


def test_the_package_can_be_run_from_anywhere_once_set_up(checkout: Checkout) -> None:
    checkout.run()

    ran = subprocess.run(
        [checkout.root / ".venv" / "bin" / "python", "-m", "scripts", "hello"],
        cwd="/",
        input="",
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.startswith("['hello']")


def test_a_failing_step_is_named_with_what_to_do(checkout: Checkout) -> None:
    ran = checkout.run("test")

    assert ran.returncode != 0
    assert ran.stderr.endswith("scripts/test: FAILED at ruff format --check. Run: .venv/bin/ruff format\n")


def test_with_arguments_only_pytest_runs(checkout: Checkout) -> None:
    ran = checkout.run("test", "tests/ground")

    assert "No module named pytest" in ran.stderr
    assert "ruff" not in ran.stdout + ran.stderr
