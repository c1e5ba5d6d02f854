"""Restrictions: sections hidden in an account, for a role or for one user, from everybody who is no administrator."""

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, delete, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import AccountKind, Catalogue
from tenants.database import Base, entered
from tenants.effects import raise_epoch
from tenants.errors import Invalid
from tenants.licences import lock_licence

Scope = Literal["account", "role", "user"]


class Restriction(Base):
    """What is hidden for one subject; no row hides nothing."""

    __tablename__ = "restrictions"
    __table_args__ = (CheckConstraint("scope IN ('account', 'role', 'user')", name="scope"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    scope: Mapped[Scope] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(
        primary_key=True, default="", server_default="", comment="the role's key or id, the user's id, nothing for the account"
    )
    sections: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="hidden from whoever is no administrator")


#: For the plain statements that every sign-in pays for: what is hidden from the user `u`.
HIDDEN_SQL = """
ARRAY(SELECT DISTINCT unnest(x.sections) FROM restrictions x WHERE x.account_id = u.account_id AND (
    x.scope = 'account' OR (x.scope = 'role' AND x.subject = u.role) OR (x.scope = 'user' AND x.subject = u.id::text)))
"""


async def read_restrictions(
    session: AsyncSession, *scopes: Scope, subjects: Iterable[str] | None = None
) -> dict[str, frozenset[str]]:
    """Hidden sections by subject in the account entered, the account itself as ""; of all subjects, or of those named."""
    query = select(Restriction.subject, Restriction.sections).where(
        Restriction.account_id == entered(session), Restriction.scope.in_(scopes)
    )
    if subjects is not None:
        query = query.where(Restriction.subject.in_(list(subjects)))
    return {row.subject: frozenset(row.sections) for row in await session.execute(query)}


async def find_hidden(session: AsyncSession, scope: Scope, subject: str = "") -> frozenset[str]:
    """What is hidden for one subject."""
    return (await read_restrictions(session, scope, subjects=[subject])).get(subject, frozenset())


async def hide_sections(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    scope: Scope,
    wanted: Iterable[str],
    of: frozenset[str],
    on: tuple[str, UUID, str],
    subject: str = "",
    where: Iterable[UUID] | None = (),
) -> None:
    """Hide exactly these sections for the subject from now on; works at the next request. Call under the licence's lock.

    What is shown again is given: `of` are the rights that are concerned, and the actor must have those of them that come back.
    `where` are departments that a change reaches as well (None for all of them), and the actor must be in them.
    Raises Invalid for a section that does not exist, and BeyondOwnRights.
    """
    sections = known_sections(catalogue, actor.account_kind, wanted)
    before = await find_hidden(session, scope, subject)
    if sections == before:
        return
    actor.must_cover(catalogue.rights_in(before - sections) & of, where)
    if sections:
        await session.execute(
            insert(Restriction)
            .values(account_id=entered(session), scope=scope, subject=subject, sections=sorted(sections))
            .on_conflict_do_update(index_elements=["account_id", "scope", "subject"], set_={"sections": sorted(sections)})
        )
    else:
        await forget_restrictions(session, scope, subject)
    raise_epoch(session, entered(session))
    record(session, Event.RESTRICTIONS_CHANGED, by=actor, on=on, scope=scope, before=sorted(before), after=sorted(sections))


async def restrict_account(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, account: Account, wanted: Iterable[str]
) -> None:
    """Hide exactly these sections from everybody in the account entered who is no administrator: for those in all departments.

    Raises as `hide_sections`.
    """
    await lock_licence(session)
    on = ("account", account.id, account.name)
    await hide_sections(
        session, catalogue, actor, scope="account", wanted=wanted, of=catalogue.rights_of(actor.account_kind), on=on, where=None
    )


async def forget_restrictions(session: AsyncSession, scope: Scope, subject: str) -> None:
    """The subject is gone: what was hidden for it hides nothing."""
    await session.execute(
        delete(Restriction).where(
            Restriction.account_id == entered(session), Restriction.scope == scope, Restriction.subject == subject
        )
    )


def known_sections(catalogue: Catalogue, kind: AccountKind, wanted: Iterable[str]) -> frozenset[str]:
    """Sections that exist in this kind of account, or Invalid."""
    sections = frozenset(wanted)
    here = {section.key for section in catalogue.sections if kind in section.account_kinds}
    if unknown := sections - here:
        raise Invalid("restrictions", "unknown", unknown=sorted(unknown), known=sorted(here))
    return sections
