"""Roles: the catalogue's, and an account's own; what each gives there, and whom somebody may therefore change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.actors import Actor
from tenants.catalogue import CUSTOM_ROLES, AccountKind, Catalogue
from tenants.database import AccountOwned, Base, entered
from tenants.departments import Department, known_departments, search_departments
from tenants.errors import Invalid, OptionMissing
from tenants.licence_phases import Phase
from tenants.licences import get_licence
from tenants.restrictions import find_hidden, read_restrictions
from tenants.users import User


class Role(AccountOwned, Base):
    """A set of rights that the account named itself."""

    __tablename__ = "roles"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        Index("uq_roles_name", "account_id", text("lower(name)"), unique=True),
    )

    name: Mapped[str] = mapped_column()
    rights: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def target(self) -> tuple[str, UUID, str]:
        """The role as what an activity line is about."""
        return ("role", self.id, self.name)


#: For the plain statements that every sign-in pays for: the rights of the own role of the user `u`, NULL with a built-in one.
OWN_RIGHTS_SQL = "(SELECT r.rights FROM roles r WHERE r.account_id = u.account_id AND r.id = u.custom_role_id)"


@dataclass(frozen=True)
class Palette:
    """What an administrator of one account may choose from: roles, departments in use, and what is hidden for each role."""

    catalogue: Catalogue
    kind: AccountKind
    options: frozenset[str]
    own: Mapping[str, Role]
    departments: Mapping[UUID, Department]
    hidden: frozenset[str]
    hidden_for: Mapping[str, frozenset[str]]

    def find_role(self, word: str) -> str | None:
        """The role that a key, an id, or a name or label in either language means, as it is stored; None for no role or several."""
        if word in self.catalogue.roles or word in self.own:
            return word
        folded = word.strip().casefold()
        found = {key for key, role in self.own.items() if folded in {key, role.name.casefold()}}
        found |= {
            role.key
            for role in self.catalogue.roles.values()
            if folded in {role.key, *(label.casefold() for label in role.label.values())}
        }
        return found.pop() if len(found) == 1 else None

    def find_department(self, word: str) -> UUID | None:
        """The department in use that an id, a code or a name means; None for no department or several."""
        folded = word.strip().casefold()
        found = [
            department.id
            for department in self.departments.values()
            if folded in {str(department.id), department.name.casefold(), (department.code or "").casefold()}
        ]
        return found[0] if folded and len(found) == 1 else None

    def name_of(self, role: str, language: str) -> str:
        """What a role is called, in the reader's language where it is built in."""
        if role in self.own:
            return self.own[role].name
        return self.catalogue.roles[role].label[language] if role in self.catalogue.roles else role

    def rights(self, role: str) -> frozenset[str]:
        """What the role names in this kind of account, hidden or not."""
        own = self.own.get(role)
        return self.catalogue.rights_of(self.kind).intersection(own.rights if own else self.catalogue.role_rights(role, self.kind))

    def reach(self, role: str, *, hidden: frozenset[str] = frozenset()) -> frozenset[str]:
        """The most that a user with the role could come to have: with the licence's option, and without what is `hidden` for them.

        This, and not what a lapsed option or licence leaves of it, is compared before a role is given: both may return.
        """
        return self.gives(role, options=self.options | {CUSTOM_ROLES}, hidden=hidden)

    def gives(
        self,
        role: str,
        *,
        options: frozenset[str] | None = None,
        hidden: frozenset[str] = frozenset(),
        phase: Phase = "running",
    ) -> frozenset[str]:
        """What a user with the role has, in a phase of the licence."""
        own = self.own.get(role)
        return self.catalogue.effective(
            self.kind,
            role,
            own.rights if own else None,
            options=self.options if options is None else options,
            hidden=self.hidden | self.hidden_for.get(role, frozenset()) | hidden,
            phase=phase,
        )

    def must_know(self, role: str) -> str:
        """The role, if it may be given to somebody. Raises Invalid, or OptionMissing for an own role that is frozen."""
        if role in self.own:
            self.must_have_custom_roles()
        elif role not in self.catalogue.roles:
            raise Invalid("role", "unknown", known=[*self.catalogue.roles, *self.own])
        return role

    def must_have_custom_roles(self) -> None:
        """Raise OptionMissing while the licence lacks the option: an account's own roles are frozen then, not lost."""
        if CUSTOM_ROLES not in self.options:
            raise OptionMissing(option=CUSTOM_ROLES)

    def must_know_departments(self, wanted: list[UUID] | None) -> list[UUID] | None:
        """Departments to give a user: None is all of them. Raises Invalid for an empty list or one that is not in use."""
        return None if wanted is None else known_departments(wanted, self.departments)


async def read_palette(session: AsyncSession, catalogue: Catalogue, kind: AccountKind) -> Palette:
    """Of the account entered. Under the licence's lock it stays true until the transaction ends."""
    account_id = entered(session)
    own = await session.scalars(select(Role).where(Role.account_id == account_id).execution_options(populate_existing=True))
    departments = await session.scalars(search_departments(account_id).order_by(Department.name))
    hidden = await read_restrictions(session, "account", "role")
    return Palette(
        catalogue=catalogue,
        kind=kind,
        options=frozenset((await get_licence(session)).options),
        own={str(role.id): role for role in own},
        departments={department.id: department for department in departments},
        hidden=hidden.pop("", frozenset()),
        hidden_for=hidden,
    )


async def must_outrank(session: AsyncSession, catalogue: Catalogue, actor: Actor, user: User) -> Palette:
    """Raise BeyondOwnRights when the user could have a right or department that the actor lacks: nobody changes who has more.

    Raises Forbidden for a visitor who is that user.
    """
    actor.must_be_another(user.identity_id)
    palette = await read_palette(session, catalogue, actor.account_kind)
    if user.id != actor.user_id:
        hidden = await find_hidden(session, "user", str(user.id))
        actor.must_cover(palette.reach(user.role, hidden=hidden), user.departments)
    return palette
