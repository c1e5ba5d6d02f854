"""Ways to owe mail, and to see what became of it, as the tests need them."""

import re
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import func, select

from service.embedded import Addresses
from tenants import invitations
from tenants.house import House
from tenants.outbox import Lease, OwedMail, claim, step_into_sorting_room
from tenants.settings import Settings
from tenants.users import User
from tests.make import Company, actor
from workers.mail import deliver_owed
from workers.smtp import PostOffice


async def invite(house: House, company: Company, email: str, **given: Any) -> User:
    """An invitation by the company's administrator."""
    administrator = await actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        return await invitations.invite(session, house.catalogue, administrator, email=email, **{"role": "user", **given})


async def deliver(house: House, *, port: int | None = None, **given: Any) -> None:
    """One round of the worker, to the settings' mail server or the one at this port."""
    changed = {**given, **({"smtp_url": f"smtp+plain://127.0.0.1:{port}"} if port else {})}
    await deliver_owed(house, PostOffice(altered(house.settings, **changed)))


def altered(settings: Settings, **given: Any) -> Settings:
    """The same settings but for these."""
    return Settings(**{**settings.model_dump(), **given})


async def mails(house: House, company: Company) -> list[OwedMail]:
    """Every row of the company's outbox, oldest first."""
    async with house.database.transaction(company.account_id) as session:
        rows = await session.scalars(select(OwedMail).where(OwedMail.account_id == company.account_id).order_by(OwedMail.id))
        return list(rows)


async def lease_all(house: House, *, seconds: int = 90) -> list[Lease]:
    """What a worker would have in hand now."""
    async with house.database.transaction() as session:
        await step_into_sorting_room(session)
        return await claim(session, limit=100, lease_seconds=seconds)


async def change(servers: Addresses, statement: str, *values: Any) -> None:
    """A change that nothing but time or a fault makes, written past the wall."""
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def due_now(servers: Addresses) -> None:
    """The wait until the next try is over."""
    await change(servers, "UPDATE outbox SET next_try_at = now(), leased_until = NULL WHERE state = 'owed'")


def text_of(message: EmailMessage) -> str:
    """The plain part."""
    part = message.get_body(("plain",))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def html_of(message: EmailMessage) -> str:
    """The HTML part."""
    part = message.get_body(("html",))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def token_in(message: EmailMessage) -> str:
    """The token of the one link that the mail carries; the same in both parts."""
    tokens = set(re.findall(r"token=([\w-]+)", text_of(message))) | set(re.findall(r"token=([\w-]+)", html_of(message)))
    [token] = tokens
    return str(token)


async def now(house: House) -> datetime:
    """On the database's clock."""
    async with house.database.transaction() as session:
        return (await session.execute(select(func.now()))).scalar_one()


async def invitation_shown(house: House, company: Company, user_id: UUID) -> dict[str, Any]:
    """What the list of users says of an invitation."""
    async with house.database.transaction(company.account_id) as session:
        user = await session.get_one(User, (company.account_id, user_id))
        return (await invitations.states(session, [user]))[user_id]
