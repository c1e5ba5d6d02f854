"""Settings: read once from the environment, complete, or the start is refused with a sentence that says why."""

import os
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

PREFIX = "PORTILLON_"


class SettingsError(Exception):
    """The environment does not describe a Portillon that could run; one line per problem."""


class _SecretFiles(EnvSettingsSource):
    """Reads `PORTILLON_X_FILE` where `PORTILLON_X` itself is not set: container secrets are files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"{PREFIX}{field_name.upper()}_FILE: {path} cannot be read: {error.strerror}") from error


class Settings(BaseSettings):
    """Everything an installation may decide. Times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["production", "development"] = "production"
    database_url: SecretStr = Field(description="PostgreSQL as the application role")
    migration_database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL as the owner of the tables; `migrate` only"
    )
    redis_url: SecretStr = Field(description="Redis or Valkey that holds seats and sessions")
    queue_redis_url: SecretStr | None = Field(default=None, description="Redis or Valkey of the queue; the one above without it")
    smtp_url: SecretStr = Field(description="smtp:// (STARTTLS), smtps:// (TLS) or smtp+plain:// (loopback only)")
    public_url: str = Field(description="The address people open; every link is built from it")
    secret_key: SecretStr = Field(description="At least 32 characters; links and cookies are derived from it")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    processes: int = Field(
        default=1, ge=1, le=256, description="API processes on this machine; hash threads are shared out among them"
    )
    data_dir: Path = Path(".portillon")
    catalogue: Path | None = None
    demo: bool = True
    mail_from: str = "Portillon <portillon@localhost>"
    mailbox_dir: Path | None = Field(default=None, description="Folder of the development mailbox; development only")
    language: Literal["fr", "en"] = "fr"
    trusted_proxies: str = Field(default="127.0.0.1", description="Addresses whose X-Forwarded-* are believed, comma-separated")

    session_hours: int = Field(default=12, ge=1, le=24 * 7, description="Absolute length of a session")
    password_min_length: int = Field(default=12, ge=8, le=64)
    argon2_time_cost: int = Field(default=2, ge=1)
    argon2_memory_kib: int = Field(default=19456, ge=8)
    hash_threads: int | None = Field(default=None, ge=1, description="Argon2 at once in one process; cores / processes without it")
    hash_queue: int = Field(default=64, ge=0, description="Sign-ins that may wait for each hash thread before `busy`")
    attempts_per_identity: int = Field(
        default=10, ge=1, description="Wrong passwords per identity and window, from unknown devices"
    )
    attempts_per_address: int = Field(default=100, ge=1, description="Wrong passwords per network address and window")
    attempts_window: int = Field(default=900, ge=10)
    activity_rate: int = Field(
        default=200_000, ge=500, description="Events about documents that one API key may send in a minute; a whole batch at least"
    )
    activity_export_lines: int = Field(
        default=1_000_000,
        ge=1,
        le=10_000_000,
        description="Lines of history that one answer carries; a worker writes what is larger",
    )
    database_pool: int = Field(default=10, ge=1)
    smtp_timeout: float = Field(default=30, gt=0)
    mail_lease: int = Field(default=90, ge=1, description="A mail in hand for longer is another worker's")
    mail_sweep: float = Field(default=5, gt=0, description="How often the worker looks for mail that no bell announced")
    housekeeping_every: float = Field(default=10, gt=0, description="How often a worker looks whether a task is due")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then variables, then the files that variables name."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @field_validator("public_url")
    @classmethod
    def _plain_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.path.strip("/"):
            raise ValueError("must be an origin such as https://portillon.example.com")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _known_smtp_scheme(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in {"smtp", "smtps", "smtp+plain"}:
            raise ValueError("must begin with smtp://, smtps:// or smtp+plain://")
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _asyncpg(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        scheme, separator, rest = value.get_secret_value().partition("://")
        if not separator or scheme.split("+")[0] not in {"postgresql", "postgres"}:
            raise ValueError("must begin with postgresql://")
        return SecretStr(f"postgresql+asyncpg://{rest}")

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("SECRET_KEY is shorter than 32 characters; `openssl rand -base64 48` makes one")
        if self.environment == "development":
            return self
        if self.mailbox_dir is not None:
            raise ValueError("MAILBOX_DIR is for development: in production anyone could read every invitation at /dev/mail")
        if urlsplit(self.public_url).scheme != "https" and not self.on_loopback:
            raise ValueError("PUBLIC_URL must be https: session cookies are refused by browsers over http")
        if urlsplit(self.smtp_url.get_secret_value()).scheme == "smtp+plain" and not _loopback(self.smtp_url.get_secret_value()):
            raise ValueError("SMTP_URL smtp+plain:// sends invitations unencrypted; it is for a server on this machine")
        if self.argon2_memory_kib < 7168:
            raise ValueError("ARGON2_MEMORY_KIB under 7168 makes stolen hashes cheap to guess")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether people reach this installation at localhost."""
        return _loopback(self.public_url)

    @property
    def queue_url(self) -> str:
        """Address of the queue's Redis."""
        return (self.queue_redis_url or self.redis_url).get_secret_value()

    @property
    def hash_permits(self) -> int:
        """Argon2 computations at once in this process."""
        return self.hash_threads or max(1, (os.cpu_count() or 1) // self.processes)

    def masked(self) -> dict[str, str]:
        """Every effective setting by its variable's name; secrets and passwords in addresses are starred."""
        return {f"{PREFIX}{name.upper()}": _masked(value) for name, value in self}


def load_settings(**given: Any) -> Settings:
    """Read the environment; arguments win. Raises SettingsError with one sentence per problem."""
    try:
        return Settings(**given)
    except UnreadableSource as error:
        raise error.__cause__ or error from None
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from error


def _sentence(problem: Any) -> str:
    name = "".join(f"{PREFIX}{str(part).upper()}" for part in problem["loc"][:1])
    if problem["type"] == "missing":
        return f"{name} is not set: {Settings.model_fields[problem['loc'][0]].description}."
    text = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {text}." if name else f"{PREFIX}{text}."


def _loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "") in {"localhost", "127.0.0.1", "::1"}


def _masked(value: Any) -> str:
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    text = value.get_secret_value()
    parts = urlsplit(text)
    if not parts.scheme or (not parts.netloc and not parts.query):
        return "********"
    text = text.replace(f":{parts.password}@", ":********@") if parts.password else text
    return re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1********", text)
