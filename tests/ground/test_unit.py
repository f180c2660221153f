"""The unit in deploy/ is one that systemd takes, and what it starts is a command that there is."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifications.smtp_url import Server
from scripts.cli import cli
from scripts.settings import PREFIX, Settings

UNIT = Path(__file__).parents[2] / "deploy" / "schakel-worker.service"


@pytest.fixture
def service() -> list[tuple[str, str]]:
    """The lines of [Service], in order."""
    lines = UNIT.read_text("utf-8").split("[Service]\n")[1].split("\n[Install]")[0].splitlines()
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines if line and not line.startswith("#")]


def test_it_starts_a_command_with_options_that_there_are(service: list[tuple[str, str]]) -> None:
    program, *words = shlex.split(dict(service)["ExecStart"].replace("%H", "host"))

    asked = CliRunner().invoke(cli, [*words, "--help"])

    assert program.endswith("scripts/schakel")
    assert (asked.exit_code, words[0]) == (0, "worker")
    assert all(word in asked.output for word in words if word.startswith("--"))


def test_its_environment_names_settings_that_there_are(service: list[tuple[str, str]]) -> None:
    named = {value.partition("=")[0] for key, value in service if key == "Environment"}

    assert named <= {PREFIX + name.upper() for name in Settings.model_fields} | {"SCHAKEL_SETTINGS"}
    assert not [key for key, _ in service if key == "EnvironmentFile"]


def test_a_worker_that_is_stopped_has_as_long_as_a_mail_server_may_take_and_one_that_ended_is_started_again(
    service: list[tuple[str, str]],
) -> None:
    said = dict(service)
    minutes = int(said["TimeoutStopSec"].removesuffix("min"))

    assert minutes * 60 > Server.data_timeout
    assert (said["Restart"], said["RestartPreventExitStatus"]) == ("always", "2")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8").replace("/opt/schakel/scripts/schakel", "/bin/true")
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")

    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
