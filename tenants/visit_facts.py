"""What decides about a visit: its session and permission in the account visited, and its visitor's place at home."""

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from tenants.actors import Visiting
from tenants.catalogue import AccountKind, Catalogue
from tenants.database import Plain
from tenants.licence_phases import Stage, stage_at
from tenants.restrictions import HIDDEN_SQL
from tenants.roles import OWN_RIGHTS_SQL
from tenants.seat_verdicts import HotCopy
from tenants.session_facts import Blob
from tenants.users import STANDING_SQL

#: What stands in place of a visitor's role.
VISITOR = "visitor"
#: Without it at home, nobody is on a visit.
NEEDED_AT_HOME = "clients.manage"


class Home(NamedTuple):
    """A visitor's place in their own account."""

    role: str
    own_rights: list[str] | None
    standing: str
    suspended_from: datetime | None
    kind: AccountKind
    account_standing: str
    time_zone: str
    starts_on: date
    ends_on: date | None
    options: list[str]
    hidden: list[str]
    now: datetime

    @property
    def stage(self) -> Stage:
        """Where the licence at home stands."""
        return stage_at(self.starts_on, self.ends_on, self.time_zone, self.now)

    def lets_go(self, catalogue: Catalogue, *, since: datetime) -> bool:
        """Whether they may be on a visit now that they began at `since`; a planned suspension that has begun meanwhile ends it."""
        suspended = self.suspended_from is not None and since < self.suspended_from <= self.now
        if suspended or self.standing != "active" or self.account_standing != "active":
            return False
        rights = catalogue.effective(
            self.kind, self.role, self.own_rights, options=self.options, hidden=self.hidden, phase=self.stage.phase
        )
        return NEEDED_AT_HOME in rights


class VisitFacts(NamedTuple):
    """Everything that decides about a visit. `now` is the database's clock, `home` None when the visitor may not be here."""

    id: UUID
    account_id: UUID
    token_digest: bytes
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    ended_by: str | None
    device: str | None
    visitor_account_id: UUID
    visitor_account_name: str
    visitor_user_id: UUID
    identity_id: UUID
    email: str
    name: str
    reason: str
    allowed_by: str
    allowed: list[str]
    language: str
    kind: AccountKind
    slug: str
    account_name: str
    account_standing: str
    time_zone: str
    starts_on: date
    ends_on: date | None
    existing: list[UUID]
    now: datetime
    home: Home | None = None

    @property
    def user_id(self) -> UUID:
        """Whose session it is in Redis: a visit's own."""
        return self.id

    @property
    def standing(self) -> str:
        """As of a user; whatever stops a visitor ends the visit."""
        return "active"

    @property
    def over_since(self) -> tuple[datetime, str] | None:
        """When the visit ended, and why: ended, its time is over, or its visitor may no longer be here."""
        if self.ended_at is not None:
            return self.ended_at, self.ended_reason or "expired"
        if self.expires_at <= self.now:
            return self.expires_at, "expired"
        return (self.now, "visitor_left") if self.home is None else None

    @property
    def stage(self) -> Stage:
        """Where the licence of the account visited stands."""
        return stage_at(self.starts_on, self.ends_on, self.time_zone, self.now)


_FACTS = """
SELECT s.id, s.account_id, s.token_digest, s.started_at, s.expires_at, s.ended_at, s.ended_reason, s.ended_by, s.device,
       v.visitor_account_id, v.visitor_account_name, v.visitor_user_id, v.visitor_identity_id, v.visitor_email, v.visitor_name,
       v.reason, p.given_by, p.rights, i.language, a.kind, a.slug, a.name, a.standing, a.time_zone, l.starts_on, l.ends_on,
       ARRAY(SELECT d.id FROM departments d WHERE d.account_id = s.account_id AND d.archived_at IS NULL),
       now()
  FROM sessions s JOIN visits v ON v.account_id = s.account_id AND v.id = s.visit_id
  JOIN visit_permissions p ON p.account_id = v.account_id AND p.id = v.permission_id
  JOIN identities i ON i.id = v.visitor_identity_id JOIN accounts a ON a.id = s.account_id
  JOIN licences l ON l.account_id = s.account_id
 WHERE s.account_id = $1 AND s.id = $2
"""
_HOME = f"""
SELECT u.role, {OWN_RIGHTS_SQL}, {STANDING_SQL}, u.suspended_from, a.kind, a.standing, a.time_zone, l.starts_on, l.ends_on,
       l.options, {HIDDEN_SQL}, now()
  FROM users u JOIN accounts a ON a.id = u.account_id JOIN licences l ON l.account_id = u.account_id
 WHERE u.account_id = $1 AND u.id = $2
"""  # noqa: S608 - of constants
# What stopped the visitor may pass; the visit does not come back.
_LEFT = """
UPDATE sessions SET ended_at = now(), ended_reason = 'visitor_left'
 WHERE account_id = $1 AND id = $2 AND ended_at IS NULL AND expires_at > now()
"""


async def find_visit_facts(plain: Plain, catalogue: Catalogue, account_id: UUID, session_id: UUID) -> VisitFacts | None:
    """What decides about a visit to the account entered; None without one. A visit that its visitor may not be on is ended."""
    row = await plain.row(_FACTS, account_id, session_id)
    if row is None:
        return None
    facts = VisitFacts(*row)
    await plain.enter(facts.visitor_account_id)
    there = await plain.row(_HOME, facts.visitor_account_id, facts.visitor_user_id)
    await plain.enter(account_id)
    home = Home(*there) if there is not None else None
    if home is not None and home.lets_go(catalogue, since=facts.started_at):
        return facts._replace(home=home)
    await plain.rows(_LEFT, account_id, session_id)
    return facts


def visit_copy(catalogue: Catalogue, row: VisitFacts) -> HotCopy | None:
    """The copy to keep in Redis, which holds no seat; None when the visit is over or the account does not stand.

    The rights are those that were allowed, as far as they exist, and what a licence that does not run leaves of them: its end keeps
    no visitor out.
    """
    if row.over_since is not None or row.home is None or row.account_standing != "active":
        return None
    phase, phase_until = row.stage
    ends = [row.expires_at, *(moment for moment in (phase_until, row.home.stage.changes_at) if moment is not None)]
    if row.home.suspended_from is not None and row.home.suspended_from > row.now:
        ends.append(row.home.suspended_from)
    allowed = catalogue.rights_of(row.kind).intersection(row.allowed)
    rights = allowed if phase == "running" else allowed & catalogue.read_only
    blob = Blob(
        catalogue=catalogue.digest,
        account_id=row.account_id,
        account_kind=row.kind,
        account_slug=row.slug,
        account_name=row.account_name,
        user_id=row.visitor_user_id,
        identity_id=row.identity_id,
        email=row.email,
        name=row.name,
        role=VISITOR,
        rights=catalogue.mask(rights),
        departments=None,
        language=row.language,
        session_id=row.id,
        started_at=row.started_at,
        expires_at=row.expires_at,
        device=row.device,
        existing=row.existing,
        phase=phase,
        ends_on=row.ends_on,
        phase_until=phase_until,
        giving=catalogue.mask(allowed) if rights != allowed else "",
        visit=Visiting(row.id, row.visitor_account_id, row.visitor_account_name, row.reason, row.expires_at, row.allowed_by),
    )
    return HotCopy(row.account_id, row.id, row.user_id, None, row.token_digest, msgspec.json.encode(blob), min(ends))
