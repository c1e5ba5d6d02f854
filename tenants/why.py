"""Why somebody has a right or lacks it, step by step; and the reverse, who has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, cast, exists, func, or_, select
from sqlalchemy import Text as TextType
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, get_account
from tenants.catalogue import ADMINISTRATOR, CUSTOM_ROLES, FALLBACK, Catalogue, lets_in
from tenants.database import entered
from tenants.errors import Invalid, NotFound
from tenants.licences import Licence, get_licence, stage_of
from tenants.restrictions import Restriction, Scope, find_hidden
from tenants.roles import Palette, read_palette
from tenants.users import User

StepBy = Literal["status", "account", "licence", "role", "option", "restriction", "department"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that decides. A right is had when no step says no."""

    by: StepBy
    grants: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """All that decides about one user's rights, at one moment of the database's clock."""

    user: User
    palette: Palette
    hidden: frozenset[str]
    account: Account
    licence: Licence
    now: datetime

    def steps(self, right: str, *, department: UUID | None = None) -> list[Step]:
        """What decided about the right, in order; asked for a department in use, or for any."""
        entering = [self._status(), self._account(), self._licence(right), self._role(right)]
        return [*entering, *self._option(right), *self._restrictions(right), *self._department(department)]

    def _status(self) -> Step:
        return Step("status", self.user.standing == "active", {"status": self.user.standing})

    def _account(self) -> Step:
        return Step("account", self.account.standing == "active", {"status": self.account.standing})

    def _licence(self, right: str) -> Step:
        phase, until = stage_of(self.account, self.licence, self.now)
        allowed = phase == "running" or (lets_in(phase, self.user.role) and right in self.palette.catalogue.read_only)
        days = {"starts_on": self.licence.starts_on.isoformat(), "ends_on": _day(self.licence.ends_on)}
        return Step("licence", allowed, {"phase": phase, **days, "until": until and until.isoformat()})

    def _role(self, right: str) -> Step:
        own = self.palette.own.get(self.user.role)
        facts = {"role": self.user.role} | ({"name": own.name} if own else {})
        return Step("role", right in self.palette.rights(self.user.role), facts)

    def _option(self, right: str) -> Iterator[Step]:
        if self.user.role in self.palette.own and CUSTOM_ROLES not in self.palette.options:
            kept = right in self.palette.catalogue.role_rights(FALLBACK, self.palette.kind)
            yield Step("option", kept, {"option": CUSTOM_ROLES, "only_what_is_in": FALLBACK})

    def _restrictions(self, right: str) -> Iterator[Step]:
        if self.user.role == ADMINISTRATOR:
            return
        section = right.partition(".")[0]
        scopes: dict[Scope, frozenset[str]] = {
            "account": self.palette.hidden,
            "role": self.palette.hidden_for.get(self.user.role, frozenset()),
            "user": self.hidden,
        }
        for scope, hidden in scopes.items():
            if section in hidden:
                yield Step("restriction", False, {"scope": scope, "section": section})

    def _department(self, department: UUID | None) -> Iterator[Step]:
        mine = self.user.departments
        if department is not None or mine is not None:
            inside = department is None or mine is None or department in mine
            shown = None if mine is None else [str(each) for each in mine]
            yield Step("department", inside, {"departments": shown, "asked": None if department is None else str(department)})


async def read_case(session: AsyncSession, catalogue: Catalogue, user: User) -> Case:
    """What decides about a user of the account entered."""
    account = await get_account(session, entered(session))
    return Case(
        user=user,
        palette=await read_palette(session, catalogue, account.kind),
        hidden=await find_hidden(session, "user", str(user.id)),
        account=account,
        licence=await get_licence(session),
        now=(await session.execute(select(func.now()))).scalar_one(),
    )


async def search_holders(session: AsyncSession, catalogue: Catalogue, right: str, *, department: UUID | None) -> Select[User]:
    """Users of the account entered who have the right now; for a department in use, if one is named. NotFound for no right here."""
    account = await get_account(session, entered(session))
    palette = await read_palette(session, catalogue, account.kind)
    if right not in catalogue.rights_of(account.kind):
        raise NotFound
    must_be_in_use(palette, department)
    now = (await session.execute(select(func.now()))).scalar_one()
    phase = stage_of(account, await get_licence(session), now).phase
    roles = [role for role in (*catalogue.roles, *palette.own) if right in palette.gives(role, phase=phase)]
    hidden = exists().where(
        Restriction.account_id == User.account_id,
        Restriction.scope == "user",
        Restriction.subject == cast(User.id, TextType),
        Restriction.sections.contains([right.partition(".")[0]]),
    )
    query = select(User).where(
        User.account_id == account.id,
        User.standing == "active",
        User.role.in_(roles),
        or_(User.role == ADMINISTRATOR, ~hidden),
    )
    return query if department is None else query.where(or_(User.departments.is_(None), User.departments.contains([department])))


def must_be_in_use(palette: Palette, department: UUID | None) -> None:
    """Raise Invalid for a department that is not in use in the account."""
    if department is not None and department not in palette.departments:
        raise Invalid("department", "unknown")


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
