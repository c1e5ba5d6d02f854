"""Every way the domain says no: a code and the facts, never a sentence, never a status.

DomainError
├── Invalid              a value breaks a rule                       field, problem
├── NotFound             no such thing in the account entered
├── Forbidden            the caller lacks a right
│   └── BeyondOwnRights  nobody gives more than they have
├── NotSignedIn          no live session behind the token
├── InvalidKey           no good API key: unknown, revoked or expired
├── InvalidCredentials   unknown address, wrong password, struck off: one answer
├── UserSuspended        said only after the right password
├── PasswordNeeded       a first password was right, and must be replaced by an own one
├── VisitNotAllowed      the client's administrators let nobody in from there
├── AccountUnavailable   the account is suspended, or its licence has not begun or is over
├── AccountChoice        this person works in several accounts
├── SeatsFull            the pool is full; holders and choices
├── QuotaReached         users or departments of the licence
├── PoolExceeded         seats or users that a reseller may give
├── BoostOverlaps        another boost of the account runs at the same time
├── OptionMissing        the licence does not include it
├── InUse                others still need it
├── AlreadyExists
├── LastAdministrator
├── ExportTooLarge       more lines of history than one answer carries
├── NotInState           the thing is not in a state that allows this
├── VersionConflict      somebody changed it first
├── LinkExpired · LinkUsed · LinkInvalid
├── DocumentsRefused     the account refuses events about documents
├── TooManyAttempts      guesses are throttled                        retry_after
├── TooManyEvents        a key sent more than its rate                retry_after
└── Unavailable          a store is away, or the hash queue is full  retry_after
    └── Busy
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal. `facts` are public: they go into the answer as they are."""

    code: ClassVar[str] = "error"

    def __init__(self, **facts: Any) -> None:
        """Keep the facts of the case."""
        super().__init__(self.code)
        self.facts: dict[str, Any] = facts


class Invalid(DomainError):
    """A value that breaks a rule of the domain; `problem` is a code of its own, such as `too_short`."""

    code = "invalid"

    def __init__(self, field: str, problem: str, **facts: Any) -> None:
        """Name the field as the caller named it."""
        super().__init__(**facts)
        self.field = field
        self.problem = problem


class NotFound(DomainError):
    """Never existed, or belongs to somebody else: the answer does not tell which."""

    code = "not_found"


class Forbidden(DomainError):
    """Signed in, but without the right."""

    code = "forbidden"


class BeyondOwnRights(Forbidden):
    """Giving more than one has, or changing someone who has more."""

    code = "beyond_own_rights"


class NotSignedIn(DomainError):
    """No live session. `ended` says why and when, to whoever holds the token."""

    code = "not_signed_in"


class InvalidKey(DomainError):
    """No API key, or none that is good. Facts: why, `revoked` or `expired`, told only to whoever has the key."""

    code = "invalid_key"


class InvalidCredentials(DomainError):
    """One answer for everything that must not be told apart."""

    code = "invalid_credentials"


class UserSuspended(DomainError):
    """Facts: until (or None), reason, time_zone (the account's), contact."""

    code = "user_suspended"


class PasswordNeeded(DomainError):
    """The first password that an administrator set was right: it opens nothing but the choice of an own one. Facts: token."""

    code = "password_needed"


class AccountUnavailable(DomainError):
    """The account itself is suspended, or its licence lets administrators alone in.

    Facts: contact, and why: `account_suspended`, `licence_not_started` (`from`, its first day) or `licence_ended` (`since`, its last).
    """

    code = "account_unavailable"


class VisitNotAllowed(DomainError):
    """A client whose administrators have not let the caller's account in, or only once, and that was. Facts: account, its name."""

    code = "visit_not_allowed"


class AccountChoice(DomainError):
    """Facts: accounts, each with slug, name, status, and a ticket that enters it without the password."""

    code = "account_choice"


class SeatsFull(DomainError):
    """Facts: seats, in_use, held for those who wait, holders, choices, ticket, and seat_request, the open one, for whoever could ask."""

    code = "seats_full"


class QuotaReached(DomainError):
    """Facts: what (`users`, `departments`), limit, used."""

    code = "quota_reached"


class PoolExceeded(DomainError):
    """Facts: what (`seats`, `users`), pool, given to others, free, asked: all that the child would take.

    Why is `pool_lowered`, and asked 0, when the pool would become smaller than what is given.
    """

    code = "pool_exceeded"


class BoostOverlaps(DomainError):
    """Boosts of an account do not overlap. Facts: boost, the id of the other one, with its starts_at, ends_at and seats."""

    code = "boost_overlaps"


class OptionMissing(DomainError):
    """The licence does not include this. Facts: option."""

    code = "option_missing"


class InUse(DomainError):
    """It cannot go while others need it. Facts: users, how many."""

    code = "in_use"


class AlreadyExists(DomainError):
    """Facts: what."""

    code = "already_exists"


class LastAdministrator(DomainError):
    """The change would leave the account without an active administrator."""

    code = "last_administrator"


class ExportTooLarge(DomainError):
    """More lines than one answer carries: a worker can write them. Facts: lines, of which millions are counted roughly, and limit."""

    code = "export_too_large"


class NotInState(DomainError):
    """Facts: state, the one it is in; for a decision also by whom."""

    code = "not_in_state"


class VersionConflict(DomainError):
    """`If-Match` named another version."""

    code = "version_conflict"


class VersionMissing(DomainError):
    """The change requires `If-Match`."""

    code = "version_required"


class LinkExpired(DomainError):
    """The link was good once and its time is over."""

    code = "link_expired"


class LinkUsed(DomainError):
    """The link was used, withdrawn or replaced by a newer one."""

    code = "link_used"


class LinkInvalid(DomainError):
    """Not a link of ours."""

    code = "link_invalid"


class TooManyAttempts(DomainError):
    """Guesses are throttled; `retry_after` in seconds."""

    code = "too_many_attempts"

    def __init__(self, *, retry_after: int) -> None:
        """Keep the seconds for the header."""
        super().__init__(retry_after=retry_after)


class DocumentsRefused(DomainError):
    """The account's setting refuses events about documents."""

    code = "documents_refused"


class TooManyEvents(DomainError):
    """More events than an API key may send in a minute. Facts: limit; `retry_after` in seconds."""

    code = "too_many_events"

    def __init__(self, *, limit: int, retry_after: int) -> None:
        """Keep the seconds for the header."""
        super().__init__(limit=limit, retry_after=retry_after)


class Unavailable(DomainError):
    """PostgreSQL, Redis or another part is away; nothing was half done."""

    code = "unavailable"

    def __init__(self, *, retry_after: int = 5) -> None:
        """Keep the seconds for the header."""
        super().__init__(retry_after=retry_after)


class Busy(Unavailable):
    """Too many password hashes wait already."""

    code = "busy"
