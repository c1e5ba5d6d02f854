"""The rows of many invitations, written a few hundred at a time: users, their entries, invitations, mails and history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tenants import activity, outbox
from tenants.activity import Event
from tenants.actors import Actor
from tenants.database import entered, insert_many, table_of
from tenants.errors import Unavailable
from tenants.identities import Identity
from tenants.invitations import VALID_FOR, Invitation
from tenants.outbox import Letter
from tenants.tokens import new_nonce
from tenants.users import DirectoryEntry, User

# Rows of one statement: others are served between two of them.
_WRITTEN_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody who may be invited: the address in its normal form, the role as it is stored."""

    email: str
    name: str
    role: str
    departments: list[UUID] | None
    language: str
    message: str | None


async def add_many(session: AsyncSession, actor: Actor, invitees: list[Invitee]) -> None:
    """Users, invitations and mails for all of them, in the account entered, which must have room and none of them yet.

    Raises Unavailable when one of them takes another address in this very moment.
    """
    identities = await _identities(session, invitees)
    until: datetime = (await session.execute(select(func.now()))).scalar_one() + VALID_FOR
    for part in _parts(invitees):
        users = [_user(entered(session), identities[invitee.email], invitee, until) for invitee in part]
        links = [_invitation(user, invitee, actor) for user, invitee in zip(users, part, strict=True)]
        entries = [
            {"identity_id": user["identity_id"], "account_id": entered(session), "user_id": user["id"], "status": "invited"}
            for user in users
        ]
        await insert_many(session, User, users)
        await insert_many(session, DirectoryEntry, entries)
        await insert_many(session, Invitation, links)
        await outbox.post_many(session, Letter.INVITATION, mails=[(link["user_id"], link["id"]) for link in links])
        await activity.write_many(
            session,
            Event.USER_INVITED,
            by=actor,
            lines=[
                (("user", user["id"], user["name"] or user["email"]), {"role": user["role"], "departments": user["departments"]})
                for user in users
            ],
        )


def any_of(emails: list[str]) -> Any:
    """To compare a column with: one parameter whatever the number of addresses, and one statement for PostgreSQL to know."""
    return any_(literal(emails, ARRAY(Text)))


async def _identities(session: AsyncSession, invitees: list[Invitee]) -> dict[str, UUID]:
    """The identity of each address, made where it is new."""
    # Every batch goes through the addresses in one order: two that share some wait for each other, never in a circle.
    ordered = sorted(invitees, key=lambda invitee: invitee.email)
    new = postgresql.insert(table_of(Identity)).on_conflict_do_nothing(index_elements=["email"])
    for part in _parts(ordered):
        rows = [{"id": uuid7(), "email": each.email, "language": each.language} for each in part]
        await session.execute(new, rows)
    # Shared with other invitations; whoever changes an address waits until the user is written with it, or was first.
    known = (
        select(Identity.email, Identity.id)
        .where(Identity.email == any_of([invitee.email for invitee in ordered]))
        .order_by(Identity.email)
        .with_for_update(read=True, key_share=True)
    )
    found = {row.email: row.id for row in await session.execute(known)}
    if len(found) < len(ordered):
        # Somebody took another address in this very moment: whoever asks again finds it settled.
        raise Unavailable
    return found


def _user(account_id: UUID, identity_id: UUID, invitee: Invitee, until: datetime) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "id": uuid7(),
        "identity_id": identity_id,
        "email": invitee.email,
        "name": invitee.name,
        "role": invitee.role,
        "departments": invitee.departments,
        "status": "invited",
        "invited_until": until,
    }


def _invitation(user: dict[str, Any], invitee: Invitee, by: Actor) -> dict[str, Any]:
    return {
        "account_id": user["account_id"],
        "id": uuid7(),
        "user_id": user["id"],
        "nonce": new_nonce(),
        "language": invitee.language,
        "message": invitee.message,
        "invited_by": by.name,
        "invited_by_user_id": by.user_id,
        "expires_at": user["invited_until"],
    }


def _parts(invitees: list[Invitee]) -> Iterator[list[Invitee]]:
    return (invitees[start : start + _WRITTEN_AT_ONCE] for start in range(0, len(invitees), _WRITTEN_AT_ONCE))
