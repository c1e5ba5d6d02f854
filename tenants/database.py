"""The wall: every transaction enters one account, and PostgreSQL shows it nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, ColumnElement, DateTime, MetaData, Table, Text, event, insert, literal, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, ORMExecuteState, Session, declared_attr, mapped_column, with_loader_criteria
from sqlalchemy.util import greenlet_spawn
from uuid_utils.compat import uuid7

from tenants.actors import NOWHERE, Origin
from tenants.effects import Effects, Nobody, Outside
from tenants.errors import Unavailable

# A statement that waits this long holds others up; the caller is told to come back.
STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 3_000
# What PostgreSQL says when it is going away or full: SQLSTATE classes 08, 53, 57, and the two timeouts. A deadlock's victim comes
# back too: its transaction is undone, and nothing was half done.
_AWAY = ("08", "53", "57", "55P03", "40P01")

#: Adds to what a transaction owes the world, before it commits, what follows from it elsewhere.
Reach = Callable[[AsyncSession, Effects], Awaitable[None]]


class Base(DeclarativeBase):
    """Every table."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text()}  # noqa: RUF012 - read by SQLAlchemy, never changed


class AccountOwned:
    """A table behind the wall. The account comes first in every key; ids are UUIDv7, made here, never reused."""

    __abstract__ = True

    @declared_attr
    def account_id(cls) -> Mapped[UUID]:  # noqa: N805 - a declared attribute is called with the class
        """The account that the row belongs to."""
        return mapped_column(primary_key=True)

    @declared_attr
    def id(cls) -> Mapped[UUID]:  # noqa: N805 - a declared attribute is called with the class
        """The row, inside its account."""
        return mapped_column(primary_key=True, default=uuid7)


class Plain:
    """A transaction over the driver alone, inside one account. Statements are SQL with `$1`; they name the account themselves."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        """Begin with nothing owed to the world."""
        self._driver = driver
        self.effects = Effects()

        self._inside = False

    async def enter(self, account_id: UUID) -> None:
        """Step into an account until the end, and begin the transaction with it: what is read before stands outside of the wall."""
        begin = "" if self._inside else "BEGIN; "
        self._inside = True
        await self._driver.execute(f"{begin}SELECT set_config('app.account_id', '{account_id}', true)")

    async def commit(self) -> None:
        """End the transaction, if there is one."""
        if self._inside:
            await self._driver.execute("COMMIT")

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        """Every row, as tuples with names."""
        found: list[Any] = await self._driver.fetch(statement, *values)
        return found

    async def row(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        return await self._driver.fetchrow(statement, *values)


class Database:
    """Connections as the application role. Nobody else commits."""

    def __init__(
        self,
        url: str,
        *,
        outside: Outside | None = None,
        reach: Reach | None = None,
        pool_size: int = 10,
        names_account: bool = True,
    ) -> None:
        """Open lazily. `names_account=False` leaves the wall to PostgreSQL alone; the tests prove each layer with it."""
        self.outside: Outside = outside or Nobody()
        self._reach = reach
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "jit": "off",
                },
            },
        )
        walled = type("WalledSession", (Session,), {})
        if names_account:
            event.listen(walled, "do_orm_execute", _name_the_account)
        self._sessions = async_sessionmaker(self.engine, sync_session_class=walled, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def transaction(self, account_id: UUID | None = None, *, origin: Origin = NOWHERE) -> AsyncIterator[AsyncSession]:
        """Enter the account (or none), commit at the end, roll back on any error.

        `origin` is written into every activity line. What the transaction owes the world is announced before the commit and settled after it.
        Raises Unavailable when PostgreSQL is away.
        """
        effects = Effects()
        announced: object = None
        try:
            async with self._sessions() as session:
                session.info.update(effects=effects, origin=origin)
                try:
                    if account_id is not None:
                        await enter(session, account_id)
                    yield session
                    await session.flush()
                    if self._reach is not None:
                        await self._reach(session, effects)
                    announced = await self._announce(effects)
                    await session.commit()
                except BaseException:
                    await session.rollback()
                    await self._withdraw(effects, announced)
                    raise
            await self._settle(effects, announced)
        except (DBAPIError, PoolTimeout, OSError) as error:
            if is_away(error):
                raise Unavailable from error
            raise

    @asynccontextmanager
    async def plain(self, account_id: UUID | None = None) -> AsyncIterator[Plain]:
        """The same promises over the driver alone: for the few statements of a sign-in, where the ORM would cost more than they do."""
        announced: object = None
        try:
            connection = await self.engine.raw_connection()
            driver: asyncpg.Connection = connection.driver_connection
            plain = Plain(driver)
            try:
                if account_id is not None:
                    await plain.enter(account_id)
                yield plain
                announced = await self._announce(plain.effects)
                await plain.commit()
            except BaseException:
                # A connection that may still be inside a transaction must never serve another account.
                if not await _rolled_back(driver):
                    connection.invalidate()
                await self._withdraw(plain.effects, announced)
                raise
            finally:
                await greenlet_spawn(connection.close)
            await self._settle(plain.effects, announced)
        except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, PoolTimeout, OSError) as error:
            if is_away(error):
                raise Unavailable from error
            raise

    async def _announce(self, effects: Effects) -> object:
        return await self.outside.announce(effects) if effects.accounts else None

    async def _withdraw(self, effects: Effects, announced: object) -> None:
        if announced is not None:
            await self.outside.withdraw(effects, announced)

    async def _settle(self, effects: Effects, announced: object) -> None:
        if effects.accounts or effects.mail_owed:
            await self.outside.settle(effects, announced)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def _rolled_back(driver: asyncpg.Connection) -> bool:
    try:
        await driver.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.CancelledError):
        return False
    return not driver.is_closed()


async def enter(session: AsyncSession, account_id: UUID | None) -> None:
    """Step into an account for the rest of the transaction; None steps out of all of them."""
    session.info["account_id"] = account_id
    await session.execute(text("SELECT set_config('app.account_id', :account, true)"), {"account": str(account_id or "")})


def entered(session: AsyncSession) -> UUID:
    """The account that the transaction is in."""
    account_id: UUID | None = session.info.get("account_id")
    if account_id is None:
        raise RuntimeError("no account entered")
    return account_id


def table_of(model: type[Base]) -> Table:
    """The plain table behind a model, for statements that are paid for too often to go through the ORM."""
    return cast("Table", model.__table__)


def array_of(ids: Sequence[UUID]) -> ColumnElement[list[UUID]]:
    """Ids to compare a column with: one parameter however many they are, and one statement for PostgreSQL to know."""
    return literal(list(ids), ARRAY(PG_UUID(as_uuid=True)))


async def insert_many(session: AsyncSession, model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Write rows past the ORM, hundreds with one statement; columns that no row names take PostgreSQL's own values."""
    table = table_of(model)
    if rows:
        # Only what is asked back makes SQLAlchemy put rows together: that costs PostgreSQL half of what a statement for each does.
        await session.execute(insert(table).returning(*table.primary_key), rows)


def is_away(error: BaseException) -> bool:
    """Whether the error means that PostgreSQL cannot serve now, and not that the statement was wrong."""
    if isinstance(error, InterfaceError | OperationalError | PoolTimeout | OSError | asyncpg.InterfaceError):
        return True
    state: Any = getattr(getattr(error, "orig", error), "sqlstate", None)
    return (isinstance(error, DBAPIError) and error.connection_invalidated) or (isinstance(state, str) and state.startswith(_AWAY))


def _name_the_account(state: ORMExecuteState) -> None:
    # The second layer: every query on an account's table also names the account that was entered.
    session: Session = state.session
    if state.is_column_load or state.is_relationship_load or state.execution_options.get("across_accounts"):
        return
    account_id = session.info.get("account_id")
    state.statement = state.statement.options(
        with_loader_criteria(AccountOwned, lambda cls: cls.account_id == account_id, include_aliases=True)
    )
