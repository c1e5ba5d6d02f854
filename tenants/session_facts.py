"""What decides about a session, read in one statement, and the hot copy that is made of it."""

from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from tenants.activity import inserted_from
from tenants.actors import Actor, Origin, Visiting
from tenants.boost_times import Timing, seats_at
from tenants.catalogue import AccountKind, Catalogue, lets_in
from tenants.database import Plain
from tenants.errors import NotSignedIn
from tenants.licence_phases import Phase, Stage, grace_end, stage_at
from tenants.restrictions import HIDDEN_SQL
from tenants.roles import OWN_RIGHTS_SQL
from tenants.seat_verdicts import HotCopy, Policy
from tenants.users import STANDING_SQL


class Blob(msgspec.Struct, array_like=True):
    """A hot copy: all that a request may ask about its caller. Rights are bits of the catalogue named by `catalogue`."""

    catalogue: str
    account_id: UUID
    account_kind: AccountKind
    account_slug: str
    account_name: str
    user_id: UUID
    identity_id: UUID
    email: str
    name: str
    role: str
    rights: str
    departments: list[UUID] | None
    language: str
    session_id: UUID
    started_at: datetime
    expires_at: datetime
    device: str | None
    #: Departments that exist, for whoever is in all of them: a right may be asked for one.
    existing: list[UUID]
    phase: Phase = "running"
    ends_on: date | None = None
    phase_until: datetime | None = None
    #: What the person may give: their rights as if the licence ran. Empty while it does, and they are the same.
    giving: str = ""
    #: Whether the session holds no seat, and may do no more than make room.
    management: bool = False
    #: Of a visitor. Their `user_id` is the one that they have at home.
    visit: Visiting | None = None

    @property
    def caller_id(self) -> UUID:
        """Who it is for the account and its applications: the user, or the visit, which is no user of theirs."""
        return self.visit.id if self.visit else self.user_id


class Facts(NamedTuple):
    """Everything that decides about a session, in one row. `now` is the database's clock."""

    id: UUID
    account_id: UUID
    user_id: UUID
    token_digest: bytes
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    ended_by: str | None
    device: str | None
    identity_id: UUID
    email: str
    name: str
    role: str
    own_rights: list[str] | None
    departments: list[UUID] | None
    standing: str
    suspended_from: datetime | None
    language: str
    kind: AccountKind
    slug: str
    account_name: str
    account_status: str
    time_zone: str
    seat_unit: str
    starts_on: date
    ends_on: date | None
    options: list[str]
    hidden: list[str]
    existing: list[UUID]
    management: bool
    now: datetime

    @property
    def over_since(self) -> tuple[datetime, str] | None:
        """When the session itself ended, and why: ended, stopped by a suspension that was planned, or too old."""
        if self.ended_at is not None:
            return self.ended_at, self.ended_reason or "expired"
        if self.suspended_from is not None and self.started_at < self.suspended_from <= self.now:
            return self.suspended_from, "suspended"
        if self.expires_at <= self.now:
            return self.expires_at, "expired"
        if lets_in(self.stage.phase, self.role):
            return None
        if self.ends_on is None or self.stage.phase == "not_started":
            return self.now, "licence_not_started"
        return grace_end(self.ends_on, self.time_zone), "licence_ended"

    @property
    def stage(self) -> Stage:
        """Where the licence stands."""
        return stage_at(self.starts_on, self.ends_on, self.time_zone, self.now)


_FACTS = f"""
SELECT s.id, s.account_id, s.user_id, s.token_digest, s.started_at, s.expires_at, s.ended_at, s.ended_reason, s.ended_by, s.device,
       u.identity_id, u.email, u.name, u.role, {OWN_RIGHTS_SQL}, u.departments,
       {STANDING_SQL}, u.suspended_from,
       i.language, a.kind, a.slug, a.name, a.standing, a.time_zone, a.seat_unit, l.starts_on, l.ends_on, l.options,
       {HIDDEN_SQL},
       ARRAY(SELECT d.id FROM departments d WHERE d.account_id = s.account_id AND d.archived_at IS NULL),
       s.management, now()
"""  # noqa: S608 - of constants
_JOINED = """
  JOIN identities i ON i.id = u.identity_id JOIN accounts a ON a.id = s.account_id JOIN licences l ON l.account_id = s.account_id
"""
_FACTS_OF = f"""{_FACTS}
  FROM sessions s JOIN users u ON u.account_id = s.account_id AND u.id = s.user_id {_JOINED}
 WHERE s.account_id = $1 AND s.id = $2
"""
# One statement writes the sign-in and reads what its hot copy needs. The update takes the row lock that a suspension in the same
# moment takes: whoever comes second sees the other, and a person who may no longer enter gets no session.
_WRITE = f"""
WITH u AS (
    UPDATE users u SET last_login_at = now() WHERE u.account_id = $1 AND u.id = $3 AND {STANDING_SQL} = 'active' RETURNING *
), s AS (
    INSERT INTO sessions (account_id, id, user_id, token_digest, expires_at, ip, device, management)
    SELECT $1, $2, u.id, $4, now() + make_interval(hours => $5), $6, $7, $8 FROM u
    RETURNING *
), a AS (
    {inserted_from("u", first=9)}
) {_FACTS}
  FROM s JOIN u ON u.account_id = s.account_id AND u.id = s.user_id {_JOINED}
"""  # noqa: S608 - of constants


async def find_facts(plain: Plain, account_id: UUID, session_id: UUID) -> Facts | None:
    """What decides about a session of the account entered; None without one."""
    row = await plain.row(_FACTS_OF, account_id, session_id)
    return Facts(*row) if row is not None else None


async def write_session(
    plain: Plain,
    *,
    account_id: UUID,
    session_id: UUID,
    user_id: UUID,
    digest: bytes,
    hours: int,
    origin: Origin,
    management: bool,
    line: list[Any],
) -> Facts | None:
    """A new session of the account entered, for `hours`, with its line of activity; None when the user may no longer enter."""
    row = await plain.row(_WRITE, account_id, session_id, user_id, digest, hours, origin.ip, origin.device, management, *line)
    return Facts(*row) if row is not None else None


_POLICY = """
SELECT l.seats, a.idle_timeout, (SELECT count(*) FROM sessions s
                                  WHERE s.account_id = $1 AND s.ended_at IS NULL AND s.expires_at > now() AND s.user_id IS NOT NULL),
       a.time_zone, clock_timestamp(), a.reclaim_after, l.accountant_seats,
       ARRAY(SELECT (b.seats, b.starts_at, b.ends_at, array_to_string(b.days, ','), b.from_minute, b.to_minute) FROM boosts b
              WHERE b.account_id = $1 AND b.ended_at IS NULL AND (b.ends_at IS NULL OR b.ends_at > clock_timestamp()))
  FROM licences l JOIN accounts a ON a.id = l.account_id WHERE l.account_id = $1
"""


def _timing(seats: int, starts_at: datetime, ends_at: datetime | None, days: str | None, *minutes: int | None) -> Timing:
    # As text: the driver cannot read an array inside of a row without a name, unless its connection happened to meet one elsewhere.
    return Timing(seats, starts_at, ends_at, None if days is None else [int(day) for day in days.split(",")], *minutes)


async def read_policy(plain: Plain, account_id: UUID) -> tuple[Policy, int]:
    """The pool's policy of the account entered, and how many of its sessions with a seat PostgreSQL holds alive.

    Boosts begin and end by the database's clock: the policy says for how long its number of seats holds, a day at most.
    """
    row = await plain.row(_POLICY, account_id)
    if row is None:
        raise NotSignedIn
    seats, idle, alive, time_zone, now, reclaim, accountants, boosts = row
    more, changes_at = seats_at([_timing(*boost) for boost in boosts], time_zone, now)
    here = now.astimezone(ZoneInfo(time_zone))
    tomorrow = datetime.combine(here.date() + timedelta(days=1), time(), here.tzinfo)
    until = min(tomorrow, changes_at or tomorrow)
    policy = Policy(
        seats + more,
        timedelta(minutes=idle),
        holds_for=until - now,
        utc_offset=here.utcoffset() or timedelta(0),
        reclaim=None if reclaim is None else timedelta(minutes=reclaim),
        accountants=accountants,
    )
    return policy, alive


def hot_copy(catalogue: Catalogue, row: Facts) -> HotCopy | None:
    """The copy to keep beside the seats; None when the session may not work."""
    phase, phase_until = row.stage
    if row.over_since is not None or row.standing != "active" or row.account_status != "active":
        return None
    ends = [row.expires_at]
    if phase_until is not None:
        # Nothing has to run at that moment: the copy is too old then, and is made again of what holds.
        ends.append(phase_until)
    if row.suspended_from is not None and row.suspended_from > row.now:
        ends.append(row.suspended_from)
    existing = set(row.existing)
    whole = catalogue.effective(row.kind, row.role, row.own_rights, options=row.options, hidden=row.hidden)
    rights = catalogue.effective(row.kind, row.role, row.own_rights, options=row.options, hidden=row.hidden, phase=phase)
    if row.management:
        rights &= catalogue.making_room
    blob = Blob(
        catalogue=catalogue.digest,
        account_id=row.account_id,
        account_kind=row.kind,
        account_slug=row.slug,
        account_name=row.account_name,
        user_id=row.user_id,
        identity_id=row.identity_id,
        email=row.email,
        name=row.name,
        role=row.role,
        rights=catalogue.mask(rights),
        departments=None if row.departments is None else [d for d in row.departments if d in existing],
        language=row.language,
        session_id=row.id,
        started_at=row.started_at,
        expires_at=row.expires_at,
        device=row.device,
        existing=row.existing if row.departments is None else [],
        phase=phase,
        ends_on=row.ends_on,
        phase_until=phase_until,
        giving=catalogue.mask(whole) if rights != whole else "",
        management=row.management,
    )
    member = row.user_id if row.seat_unit == "user" else row.id
    wanted = "management" if row.management else catalogue.wants(row.role)
    return HotCopy(row.account_id, row.id, row.user_id, member, row.token_digest, msgspec.json.encode(blob), min(ends), wanted)


def actor_of(catalogue: Catalogue, blob: Blob) -> Actor:
    """The actor that a hot copy describes."""
    departments = None if blob.departments is None else frozenset(blob.departments)
    return Actor(
        account_id=blob.account_id,
        account_kind=blob.account_kind,
        user_id=blob.user_id,
        identity_id=blob.identity_id,
        session_id=blob.session_id,
        name=blob.name or blob.email,
        email=blob.email,
        role=blob.role,
        rights=catalogue.unmask(blob.rights),
        departments=departments,
        language=blob.language,
        giving=catalogue.unmask(blob.giving) if blob.giving else None,
        account_name=blob.account_name,
        visit=blob.visit,
        management=blob.management,
    )
