"""Histories to seal and to break: lines written as the application writes them, or past it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from service.embedded import Addresses
from tenants.activity import Event, write, write_many
from tenants.activity_checks import What
from tenants.activity_verification import Checked, verify_account
from tenants.actors import Origin
from tenants.house import House
from tenants.sealing import seal_account
from tests import make
from tests.make import Company

BROWSER = Origin(ip="192.0.2.7", device="Firefox", request_id="r-1")


async def add_lines(house: House, company: Company, count: int) -> None:
    """Lines by the administrator, each in a transaction of its own, about each of the company's people in turn."""
    ada = await make.actor(house, company, company.administrator)
    for number in range(count):
        person = company.people[number % len(company.people)]
        async with house.database.transaction(company.account_id, origin=BROWSER) as session:
            on = ("user", person.user_id, person.name)
            await write(session, Event.USER_SUSPENDED, by=ada, on=on, reason=f"reason {number}", until=None)


async def add_many(house: House, company: Company, count: int) -> None:
    """As many lines in one transaction."""
    ada = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        on = ("user", ada.user_id, ada.name)
        lines: Any = [(on, {"before": {"name": f"Name {number}"}, "after": {"name": "Ada"}}) for number in range(count)]
        await write_many(session, Event.USER_CHANGED, by=ada, lines=lines)


async def seal(house: House, company: Company) -> int:
    """As the worker does."""
    return await seal_account(house.database, house.signer, company.account_id)


async def verify(house: House, company: Company, **given: Any) -> Checked:
    """As `verify-activity` does."""
    return await verify_account(house.database, house.signer, company.account_id, **given)


async def wrong(house: House, company: Company, **given: Any) -> tuple[What | None, UUID | None]:
    """What verification says is wrong first, and with which line."""
    found = (await verify(house, company, **given)).finding
    return (found.what, found.line) if found else (None, None)


async def past_the_wall(servers: Addresses, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """As a superuser who knows what triggers there are, and avoids them."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement, *values)
    finally:
        await connection.close()


def id_at(moment: datetime) -> UUID:
    """An id that begins with the moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (uuid4().int & ((1 << 80) - 1) & ~(0xF << 76)) | (7 << 76))


def month_ago(months: int) -> date:
    """First day of the month so many months ago (UTC)."""
    today = datetime.now(UTC).date()
    years, rest = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(years, rest + 1, 1)


def first_moment(month: date) -> datetime:
    """Its midnight, UTC."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


async def add_old(servers: Addresses, account_id: UUID, *moments: datetime) -> list[UUID]:
    """Lines as if they had been written at these moments; the seals they owe come with them."""
    ids = [id_at(moment) for moment in moments]
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        for line, at in zip(ids, moments, strict=True):
            await connection.execute(
                "INSERT INTO activity (account_id, id, at, recorded_at, event, result, actor_kind, facts)"
                " VALUES ($1, $2, $3, $3, 'account.changed', 'done', 'system', '{}')",
                account_id, line, at,
            )  # fmt: skip
    finally:
        await connection.close()
    return ids


def just_before(moment: datetime) -> datetime:
    """The last millisecond before it."""
    return moment - timedelta(milliseconds=1)
