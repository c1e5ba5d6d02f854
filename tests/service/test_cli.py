"""The command line as a person or a script meets it: sentences, exit statuses, links that work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from service.ports import bind
from tenants import invitation_links, outbox
from tenants.errors import LinkUsed
from tenants.house import House
from tenants.settings import PREFIX, Settings
from tenants.users import User

LINK = "/invitation?token="


def portillon(*arguments: str, settings: Settings | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these settings as its environment and nothing of ours besides."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | {"LC_ALL": "C.UTF-8"}
    if settings is not None:
        for name in ("environment", "database_url", "migration_database_url", "redis_url", "smtp_url", "public_url", "secret_key"):
            value = getattr(settings, name)
            environment[f"{PREFIX}{name.upper()}"] = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, stdin=subprocess.DEVNULL, timeout=60, env=environment | variables,
    )  # fmt: skip


def test_config_prints_every_setting_and_no_secret(settings: Settings) -> None:
    done = portillon("config", settings=settings)

    assert done.returncode == 0, done.stderr
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert lines["PORTILLON_PUBLIC_URL"] == "http://localhost:8000"
    assert lines["PORTILLON_SECRET_KEY"] == "********"
    assert ":********@127.0.0.1" in lines["PORTILLON_DATABASE_URL"]
    assert settings.secret_key.get_secret_value() not in done.stdout


def test_missing_settings_are_named_one_a_line_with_status_2() -> None:
    done = portillon("config")

    assert done.returncode == 2
    assert {line.split(" ")[0] for line in done.stderr.splitlines()} == {
        "PORTILLON_DATABASE_URL", "PORTILLON_REDIS_URL", "PORTILLON_SMTP_URL", "PORTILLON_PUBLIC_URL", "PORTILLON_SECRET_KEY",
    }  # fmt: skip


def test_help_and_wrong_use_speak_the_language_of_the_locale() -> None:
    english, french, wrong = (
        portillon("--help"),
        portillon("--help", LC_ALL="fr_FR.UTF-8"),
        portillon("ups", LC_ALL="fr_FR.UTF-8"),
    )

    assert "Start everything on this machine" in english.stdout
    assert "Démarre tout sur cette machine" in french.stdout
    assert (wrong.returncode, wrong.stderr) == (2, "La commande ups n'existe pas. `portillon --help` vous en dit plus.\n")


def test_migrate_says_that_nothing_was_missing(settings: Settings) -> None:
    done = portillon("migrate", settings=settings)

    assert (done.returncode, done.stdout) == (0, "The tables were already up to date.\n")


def test_migrate_refuses_without_the_owners_address(settings: Settings) -> None:
    done = portillon("migrate", settings=settings, PORTILLON_MIGRATION_DATABASE_URL="")

    assert done.returncode == 2
    assert "PORTILLON_MIGRATION_DATABASE_URL" in done.stderr


def test_a_database_that_is_away_is_a_sentence_and_no_traceback(settings: Settings) -> None:
    away = "postgresql://portillon_app:secret@127.0.0.1:1/portillon"
    for command in (("migrate",), ("create-operator", "olga@example.com")):
        done = portillon(*command, settings=settings, PORTILLON_DATABASE_URL=away, PORTILLON_MIGRATION_DATABASE_URL=away)
        assert done.returncode == 1
        assert done.stderr.startswith("PostgreSQL does not answer at 127.0.0.1:1/portillon")
        assert "secret" not in done.stderr
        assert "Traceback" not in done.stderr


async def test_create_operator_prints_a_link_that_replaces_the_older_one(house: House) -> None:
    first, second = (_link(portillon("create-operator", "Olga@Example.com", settings=house.settings)) for _ in range(2))

    with pytest.raises(LinkUsed):
        await _accept(house, first)
    await _accept(house, second)
    async with house.database.transaction() as session:
        await outbox.step_into_sorting_room(session)
        assert await outbox.oldest_owed_seconds(session) == 0
    again = portillon("create-operator", "olga@example.com", settings=house.settings)
    assert again.returncode == 1
    assert "olga@example.com" in again.stderr.lower()
    assert "http://localhost:8000/forgot" in again.stderr


async def test_create_operator_replaces_a_mistyped_address(house: House) -> None:
    mistyped = _link(portillon("create-operator", "olag@example.com", settings=house.settings))
    right = _link(portillon("create-operator", "olga@example.com", settings=house.settings))

    with pytest.raises(LinkUsed):
        await _accept(house, mistyped)
    account_id = (await _accept(house, right)).account_id
    async with house.database.transaction(account_id) as session:
        active = await session.scalars(select(User.email).where(User.status == "active"))
        assert active.all() == ["olga@example.com"]


def test_create_operator_needs_no_redis(settings: Settings) -> None:
    done = portillon("create-operator", "olga@example.com", settings=settings, PORTILLON_REDIS_URL="redis://127.0.0.1:1")

    assert done.returncode == 0, done.stderr


def test_create_operator_refuses_what_is_not_an_address(settings: Settings) -> None:
    done = portillon("create-operator", "olga", settings=settings, LC_ALL="fr")

    assert (done.returncode, done.stderr) == (1, "« olga » n'est pas une adresse e-mail utilisable ici.\n")


def test_serve_says_what_to_do_about_a_busy_port(settings: Settings) -> None:
    with bind("127.0.0.1", 0, again="") as taken:
        port = taken.getsockname()[1]
        done = portillon("serve", settings=settings, PORTILLON_PORT=str(port))

    assert done.returncode == 1
    assert done.stderr.splitlines()[1] == f"  PORTILLON_PORT={port + 1} portillon serve"


def test_reset_asks_nobody_and_touches_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    nothing = portillon("reset", PORTILLON_DATA_DIR=str(folder))
    folder.mkdir()
    for name in ("secret-key", "api.log", "letter.txt"):
        (folder / name).touch()
    unasked = portillon("reset", PORTILLON_DATA_DIR=str(folder))
    wiped = portillon("reset", "--yes", PORTILLON_DATA_DIR=str(folder))

    assert (nothing.returncode, unasked.returncode, wiped.returncode) == (0, 1, 0)
    assert "--yes" in unasked.stderr
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


def _link(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.split(LINK, 1)[1].strip()


async def _accept(house: House, token: str) -> User:
    password_hash = await house.hasher.hash("a long enough password")
    async with house.database.transaction() as session:
        return await invitation_links.accept(session, house.signer, token, name="Olga", new_hash=password_hash, verified_hash=None)
