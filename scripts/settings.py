"""The settings of an installation: `SCHAKEL_…` in the environment beats `schakel.toml` beats the defaults.

The file is `SCHAKEL_SETTINGS` when that is set, else `schakel.toml` in the present folder when it is there, else
`schakel.toml` in the user's configuration folder. An empty variable counts as not set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_data_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from workflow.errors import UsageError, nearest

PREFIX = "SCHAKEL_"
FILE_NAME = "schakel.toml"
ENVIRONMENT_ONLY = ("SCHAKEL_SETTINGS", "SCHAKEL_ACTOR", "SCHAKEL_TRACEBACK", "SCHAKEL_PYTHON")
"""Variables that steer one command, or the making of .venv, and so have no place in a file."""


def data_folder() -> Path:
    """Where the database and the signing key live unless a setting says otherwise."""
    return _of_user(user_data_path)


def _of_user(place: Callable[..., Path]) -> Path:
    try:
        return place("schakel", appauthor=False)
    except RuntimeError:
        raise UsageError(
            "The user who runs this has no home folder to find settings in: set HOME, or set SCHAKEL_SETTINGS to the "
            "full path of a settings file, which says where the database (database_url) and the signing_key are."
        ) from None


class Settings(BaseSettings):
    """Every setting there is. An address or a line of a letter that is empty is left out where it would be used."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, validate_default=True)

    database_url: str = Field(
        default_factory=lambda: f"sqlite:///{data_folder() / 'schakel.db'}", min_length=1, repr=False
    )
    database_password_file: Path | None = None
    signing_key: Path = Field(default_factory=lambda: data_folder() / "signing.key")
    checkpoint_file: Path | None = None
    erasures_file: Path | None = None
    language: Literal["en", "nl"] = "en"
    liberation_day: Literal["always", "lustrum", "never"] = "lustrum"
    retention_years: int = Field(7, ge=0, le=100)
    smtp_url: SecretStr | None = None
    smtp_password_file: Path | None = None
    smtp_hello_name: str = Field("", pattern=r"^[A-Za-z0-9.:\[\]-]*$")
    mail_from: str = ""
    mail_asr: str = ""
    mail_keylane: str = ""
    mail_operations: str = ""
    mail_auditor: str = ""
    reply_to: str = ""
    team_name: str = ""
    team_phone: str = ""
    form_url: str = "https://www.asr.nl/salarisverwerkers"
    metrics_port: int | None = Field(None, ge=1, le=65535)
    metrics_address: str = Field("127.0.0.1", min_length=1)
    loket_api_url: str = ""
    loket_token_url: str = ""
    loket_credentials: Path | None = None
    loket_poll: bool = False
    loket_calls_per_minute: int = Field(120, ge=1, le=6000)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: it has merged the environment and the file already."""
        return (init_settings,)


class _Environment(EnvSettingsSource):
    """The environment as it was passed in, instead of the one of this process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environ.items() if value != ""}
        super().__init__(Settings, env_prefix=PREFIX, env_ignore_empty=True)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def settings_file(environ: Mapping[str, str], folder: Path | None = None) -> Path:
    """Where the settings file is, or would be made."""
    if named := environ.get("SCHAKEL_SETTINGS"):
        return Path(named)
    beside = (folder or Path.cwd()) / FILE_NAME
    return beside if beside.is_file() else _of_user(user_config_path) / FILE_NAME


def load(environ: Mapping[str, str], folder: Path | None = None, *, must_exist: bool = True) -> Settings:
    """Read the settings. Raises UsageError that names the file and the key; never shows a value.

    A file that `SCHAKEL_SETTINGS` names must exist, unless `must_exist` is off (init makes it).
    """
    path = settings_file(environ, folder)
    said = _read_file(path, required=must_exist and bool(environ.get("SCHAKEL_SETTINGS")))
    try:
        return Settings(**{**said, **_Environment(environ)()})
    except ValidationError as error:
        raise UsageError(_explain(error, environ, path)) from None


def given_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The settings that the environment gives, in the order of the file."""
    given = _Environment(environ)()
    return tuple(name for name in Settings.model_fields if name in given)


def variable_of(name: str) -> str:
    """What a setting is called in the environment."""
    return PREFIX + name.upper()


def unknown_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that begin with `SCHAKEL_` and mean nothing: probably a typing error."""
    known = {variable_of(name) for name in Settings.model_fields} | set(ENVIRONMENT_ONLY)
    return tuple(sorted(name for name in environ if name.startswith(PREFIX) and name not in known))


def _read_file(path: Path, *, required: bool) -> dict[str, object]:
    try:
        said: dict[str, object] = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        if required:
            raise UsageError(f"SCHAKEL_SETTINGS names {path}, which does not exist. Run: schakel init") from None
        return {}
    except OSError as error:
        raise UsageError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"The settings file {path} is not UTF-8 text.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The settings file {path} is not valid TOML: {error}") from None
    for key in said:
        if key not in Settings.model_fields:
            hint = nearest(key, Settings.model_fields)
            raise UsageError(f"The settings file {path} has an unknown key '{key}'.{hint}")
    return said


def _explain(error: ValidationError, environ: Mapping[str, str], path: Path) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0])
        variable = variable_of(name)
        where = variable if environ.get(variable) else f"'{name}' in {path}"
        said = fault["msg"]
        lines.append(f"The setting {where} is wrong: {said[:1].lower()}{said[1:]}.")
    return " ".join(lines)
