"""Settings: complete and safe, or a sentence that says what is not."""

from pathlib import Path
from typing import Any

import pytest

from tenants.settings import Settings, SettingsError, load_settings

PRODUCTION: dict[str, Any] = {
    "database_url": "postgresql://app:pa%40ss@db.example.com/portillon",
    "redis_url": "redis://:redispass@cache.example.com:6379/0",
    "smtp_url": "smtp://user:mailpass@mail.example.com:587",
    "public_url": "https://portillon.example.com",
    "secret_key": "k" * 40,
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith("PORTILLON_"):
            monkeypatch.delenv(name)


def refused(**changes: Any) -> str:
    """What the start says."""
    with pytest.raises(SettingsError) as told:
        load_settings(**{**PRODUCTION, **changes})
    return str(told.value)


def test_production_starts_with_what_it_needs_and_nothing_else() -> None:
    settings = load_settings(**PRODUCTION)
    assert settings.environment == "production"
    assert settings.public_url == "https://portillon.example.com"
    assert settings.database_url.get_secret_value().startswith("postgresql+asyncpg://")


@pytest.mark.parametrize("name", PRODUCTION)
def test_each_missing_setting_is_named_with_what_it_is_for(name: str) -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(**{key: value for key, value in PRODUCTION.items() if key != name})
    assert f"PORTILLON_{name.upper()} is not set: " in str(told.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mailbox_dir": "/tmp/mail"}, "PORTILLON_MAILBOX_DIR is for development"),  # noqa: S108 - only named
        ({"public_url": "http://portillon.example.com"}, "PORTILLON_PUBLIC_URL must be https"),
        ({"smtp_url": "smtp+plain://mail.example.com"}, "sends invitations unencrypted"),
        ({"argon2_memory_kib": 64}, "cheap to guess"),
        ({"secret_key": "short"}, "PORTILLON_SECRET_KEY is shorter than 32 characters"),
    ],
)
def test_what_is_unsafe_in_production_stops_the_start(changes: dict[str, Any], words: str) -> None:
    assert words in refused(**changes)


def test_a_short_key_is_refused_in_development_too() -> None:
    assert "shorter than 32" in refused(secret_key="short", environment="development")


def test_development_may_do_without_encryption() -> None:
    changes = {
        "public_url": "http://192.168.0.7:8000",
        "smtp_url": "smtp+plain://mail:1025",
        "argon2_memory_kib": 8,
        "environment": "development",
    }
    assert load_settings(**{**PRODUCTION, **changes}).argon2_memory_kib == 8


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"public_url": "portillon.example.com"}, "PUBLIC_URL"),
        ({"public_url": "https://portillon.example.com/app"}, "PUBLIC_URL"),
        ({"public_url": "https://portillon.example.com?x=1"}, "PUBLIC_URL"),
        ({"smtp_url": "mail.example.com"}, "SMTP_URL"),
        ({"smtp_url": "http://mail.example.com"}, "SMTP_URL"),
        ({"database_url": "mysql://x"}, "DATABASE_URL"),
        ({"database_url": "x"}, "DATABASE_URL"),
        ({"port": 70000}, "PORT"),
        ({"language": "de"}, "LANGUAGE"),
        ({"password_min_length": 7}, "PASSWORD_MIN_LENGTH"),
        ({"session_hours": 0}, "SESSION_HOURS"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, Any], name: str) -> None:
    told = refused(**changes)
    assert told.startswith(f"PORTILLON_{name}: ")
    assert told.endswith(".")


def test_a_refusal_never_repeats_a_secret() -> None:
    told = refused(secret_key="hunter2-hunter2", database_url="mysql://app:dbpass@x")
    assert "hunter2" not in told
    assert "dbpass" not in told


def test_variables_and_the_files_that_they_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in PRODUCTION.items():
        if name != "secret_key":
            monkeypatch.setenv(f"PORTILLON_{name.upper()}", value)
    (tmp_path / "key").write_text("from a file, and long enough for it\n", encoding="utf-8")
    monkeypatch.setenv("PORTILLON_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert load_settings().secret_key.get_secret_value() == "from a file, and long enough for it"
    monkeypatch.setenv("PORTILLON_SECRET_KEY", "from the variable, which comes first")
    assert load_settings().secret_key.get_secret_value().startswith("from the variable")
    monkeypatch.delenv("PORTILLON_SECRET_KEY")
    monkeypatch.setenv("PORTILLON_SECRET_KEY_FILE", str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match=r"PORTILLON_SECRET_KEY_FILE: .* cannot be read"):
        load_settings()


def test_what_is_shown_hides_every_secret() -> None:
    shown = load_settings(**{**PRODUCTION, "queue_redis_url": "redis://cache.example.com:6379?password=querypass"}).masked()
    text = "\n".join(f"{name}={value}" for name, value in shown.items())
    for secret in ("pa%40ss", "redispass", "mailpass", "querypass", "k" * 40):
        assert secret not in text
    assert shown["PORTILLON_DATABASE_URL"] == "postgresql+asyncpg://app:********@db.example.com/portillon"
    assert shown["PORTILLON_SECRET_KEY"] == "********"
    assert shown.keys() == {f"PORTILLON_{name.upper()}" for name in Settings.model_fields}


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(**PRODUCTION).port = 1
