"""The schema of the database: brought up to date as its owner, and compared with what this release needs."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tenants.activity_months import MAKE_MONTHS

# Nothing may queue behind a migration that itself queues for a lock.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"


def newest_revision() -> str:
    """The revision that this release needs."""
    return _revisions()[0]


def serves(revision: str | None) -> bool:
    """Whether this release can work on a database at the revision: its own, or one of a later release (expand, deploy, contract)."""
    newest, *older = _revisions()
    return revision == newest or (revision is not None and revision not in older)


async def present_revision(session: AsyncSession) -> str | None:
    """The revision that the database is at."""
    found: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


async def migrate(owner_url: str, *, tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Run the migrations that are missing, as the owner of the tables; returns their names, and `tell`s each as it begins."""
    engine = create_async_engine(
        owner_url, connect_args={"server_settings": {"lock_timeout": LOCK_TIMEOUT, "statement_timeout": STATEMENT_TIMEOUT}}
    )
    try:
        async with engine.connect() as connection:
            # Two machines deployed at once: the second one waits, and finds nothing to do.
            await connection.execute(text("SELECT set_config('lock_timeout', '0', true), pg_advisory_lock(7077)"))
            await connection.commit()
            return await connection.run_sync(_upgrade, tell)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, tell: Callable[[str], None]) -> list[str]:
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_heads()
    missing = [script for script in reversed(list(scripts.walk_revisions())) if script.revision not in _ancestors(scripts, current)]
    for script in missing:
        tell(f"{script.revision} {script.doc}")
    command.upgrade(config, "head")
    connection.commit()
    # A month that somebody's lock keeps from being made now is made by the first API process or worker.
    with suppress(DBAPIError):
        connection.execute(text(MAKE_MONTHS))
    connection.commit()
    return [script.revision for script in missing]


@cache
def _revisions() -> list[str]:
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _ancestors(scripts: ScriptDirectory, heads: tuple[str, ...]) -> set[str]:
    return {script.revision for head in heads for script in scripts.iterate_revisions(head, "base")}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config
