"""A person's place in an account at the moment they want to enter: all that decides whether they may, in one read."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.catalogue import AccountKind, Catalogue, lets_in
from tenants.database import Plain
from tenants.errors import AccountUnavailable, DomainError, InvalidCredentials, UserSuspended
from tenants.licence_phases import Stage, stage_at
from tenants.restrictions import HIDDEN_SQL
from tenants.roles import OWN_RIGHTS_SQL
from tenants.users import STANDING_SQL, active_administrators

_MOST_CONTACTS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The user, the account's rules and the licence's dates; `alive` are the user's own live sessions. `now` is the database's."""

    user_id: UUID
    name: str
    email: str
    role: str
    own_rights: list[str] | None
    standing: str
    suspended_until: datetime | None
    suspended_reason: str | None
    kind: AccountKind
    account_status: str
    time_zone: str
    seat_unit: str
    sessions_per_user: int
    show_holders: bool
    starts_on: date
    ends_on: date | None
    options: list[str]
    hidden: list[str]
    now: datetime
    alive: list[UUID]

    def rights(self, catalogue: Catalogue) -> frozenset[str]:
        """What the user may do, in some department."""
        return catalogue.effective(
            self.kind, self.role, self.own_rights, options=self.options, hidden=self.hidden, phase=self.stage.phase
        )

    def may(self, catalogue: Catalogue, right: str) -> bool:
        """Whether the user has the right in some department."""
        return right in self.rights(catalogue)

    @property
    def stage(self) -> Stage:
        """Where the licence stands."""
        return stage_at(self.starts_on, self.ends_on, self.time_zone, self.now)

    @property
    def licence_lets_in(self) -> bool:
        """Whether the licence lets the user in now."""
        return lets_in(self.stage.phase, self.role)


# SQL and not expressions: every sign-in reads this, and building the statement would cost more than running it.
_PLACE = f"""
SELECT u.id, u.name, u.email, u.role, {OWN_RIGHTS_SQL},
       {STANDING_SQL},
       u.suspended_until, u.suspended_reason, a.kind, a.standing, a.time_zone, a.seat_unit, a.sessions_per_user, a.show_holders,
       l.starts_on, l.ends_on, l.options, {HIDDEN_SQL}, now(),
       ARRAY(SELECT s.id FROM sessions s WHERE s.account_id = u.account_id AND s.user_id = u.id
             AND s.ended_at IS NULL AND s.expires_at > now() ORDER BY s.id)
  FROM users u JOIN accounts a ON a.id = u.account_id JOIN licences l ON l.account_id = u.account_id
 WHERE u.account_id = $1 AND u.id = $2
"""  # noqa: S608 - of constants


async def find_place(plain: Plain, account_id: UUID, user_id: UUID) -> Place | None:
    """The place of a user of the account entered. The same one statement whether there is such a user or not."""
    row = await plain.row(_PLACE, account_id, user_id)
    return Place(*row) if row is not None else None


async def may_not_enter(session: AsyncSession, place: Place | None) -> DomainError | None:
    """Why the person may not enter the account entered, said only after the right password; None when they may."""
    if place is None or place.standing not in {"active", "suspended"} or place.account_status == "closed":
        return InvalidCredentials()
    facts: dict[str, Any]
    if place.standing == "suspended":
        kind: type[DomainError] = UserSuspended
        facts = {"until": place.suspended_until, "reason": place.suspended_reason, "time_zone": place.time_zone}
    elif place.account_status == "suspended":
        kind, facts = AccountUnavailable, {"why": "account_suspended"}
    elif not place.licence_lets_in:
        kind, facts = AccountUnavailable, _out_of_licence(place)
    else:
        return None
    others = sorted(user.email for user in await active_administrators(session) if user.id != place.user_id)
    return kind(**facts, contact=", ".join(others[:_MOST_CONTACTS]) or None)


def _out_of_licence(place: Place) -> dict[str, Any]:
    if place.stage.phase == "not_started":
        return {"why": "licence_not_started", "from": place.starts_on}
    return {"why": "licence_ended", "since": place.ends_on}
