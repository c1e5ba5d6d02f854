"""What is told of a session and whoever has it: the same facts after signing in, on a visit, and when somebody asks who they are."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from tenants.catalogue import AccountKind
from tenants.licence_phases import Phase
from tenants.seat_verdicts import SeatKind


class SessionFacts(msgspec.Struct):
    """The session itself."""

    id: UUID
    started_at: datetime
    expires_at: datetime
    device: str | None


class UserFacts(msgspec.Struct):
    """The person, as this account knows them."""

    id: UUID
    email: str
    name: str
    role: str
    status: str
    language: str


class AccountFacts(msgspec.Struct):
    """The account that the session belongs to."""

    id: UUID
    slug: str
    name: str
    kind: AccountKind


class SeatFacts(msgspec.Struct):
    """The seat that the session holds: of the pool, or of the accountants' allowance. A visit and a session to manage hold none."""

    kind: SeatKind
    since: datetime


class LicenceFacts(msgspec.Struct):
    """Where the account's licence stands, and when that changes. `ends_on` is its last day; `grace` is a week for reading after it."""

    phase: Phase
    ends_on: date | None
    changes_at: datetime | None


class HomeFacts(msgspec.Struct):
    """The account that a visitor comes from."""

    id: UUID
    name: str


class VisitFacts(msgspec.Struct):
    """The visit that the session is: from which account, why, until when, and who allowed it."""

    id: UUID
    account: HomeFacts
    reason: str
    ends_at: datetime
    allowed_by: str
