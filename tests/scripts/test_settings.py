from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.settings import Settings, load, settings_file, unknown_variables
from scripts.settings_text import SETTINGS_TEXT
from workflow import UsageError

Write = Callable[[str, str | bytes], Path]


def test_the_environment_beats_the_file_beats_the_default(write: Write, tmp_path: Path) -> None:
    write("schakel.toml", 'language = "nl"\nteam_name = "Team K"\n')

    found = load({"SCHAKEL_LANGUAGE": "en"}, tmp_path)

    assert (found.language, found.team_name, found.retention_years) == ("en", "Team K", 7)


def test_an_empty_variable_counts_as_not_set(write: Write, tmp_path: Path) -> None:
    write("schakel.toml", 'language = "nl"\n')

    assert load({"SCHAKEL_LANGUAGE": ""}, tmp_path).language == "nl"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('langage = "nl"', "unknown key 'langage'. Did you mean 'language'"),
        ("[mail]\nfrom = 1", "unknown key 'mail'"),
        ("language = ", "not valid TOML"),
        ('language = "fr"', "'language' in .*: input should be 'en' or 'nl'"),
        ('liberation_day = "sometimes"', "'liberation_day'"),
        ("retention_years = -1", "'retention_years'"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_wrong_settings_file_is_refused_by_key(write: Write, tmp_path: Path, content: str | bytes, says: str) -> None:
    write("schakel.toml", content)

    with pytest.raises(UsageError, match=says):
        load({}, tmp_path)


def test_a_wrong_variable_is_named_but_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SCHAKEL_LANGUAGE is wrong") as refused:
        load({"SCHAKEL_LANGUAGE": "hunter2"}, tmp_path)

    assert "hunter2" not in str(refused.value)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load({"SCHAKEL_SETTINGS": str(tmp_path / "no.toml")}, tmp_path)


def test_a_file_beside_you_comes_before_the_one_of_the_user(write: Write, tmp_path: Path) -> None:
    assert settings_file({}, tmp_path).parent != tmp_path
    write("schakel.toml", "")

    assert settings_file({}, tmp_path) == tmp_path / "schakel.toml"


def test_a_mistyped_variable_is_found() -> None:
    assert unknown_variables({"SCHAKEL_LANGAUGE": "nl", "SCHAKEL_ACTOR": "a", "PATH": "x"}) == ("SCHAKEL_LANGAUGE",)
    assert unknown_variables({"SCHAKEL_PYTHON": "/usr/bin/python3"}) == ()


def test_a_password_in_the_mail_url_is_never_printed(tmp_path: Path) -> None:
    found = load({"SCHAKEL_SMTP_URL": "smtps://me:hunter2@mail.example"}, tmp_path)

    assert "hunter2" not in repr(found)


def test_the_file_that_init_writes_names_every_setting_and_sets_none(write: Write, tmp_path: Path) -> None:
    write("schakel.toml", SETTINGS_TEXT)

    assert load({}, tmp_path) == Settings()
    assert all(f"# {name} = " in SETTINGS_TEXT for name in Settings.model_fields)


@pytest.mark.parametrize("names_a_file", [False, True])
def test_a_user_without_a_home_folder_is_told_what_to_set(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names_a_file: bool
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    file = write("some.toml", 'signing_key = "/srv/signing.key"\n')
    environ = {"SCHAKEL_SETTINGS": str(file)} if names_a_file else {}

    with pytest.raises(UsageError, match="set HOME, or set SCHAKEL_SETTINGS to the full path of a settings file"):
        load(environ, tmp_path)
    file.write_text('signing_key = "/srv/signing.key"\ndatabase_url = "sqlite:////srv/schakel.db"\n')
    assert load({"SCHAKEL_SETTINGS": str(file)}, tmp_path).signing_key == Path("/srv/signing.key")
