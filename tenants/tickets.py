"""Tickets: stand for a right password for ten minutes, for one person in one account, until the password changes.

Whoever waits for a seat is given a fresh one while the old one is good; two hours after the password none is made any more.
"""

from time import time
from typing import Any
from uuid import UUID

import msgspec

from tenants.errors import InvalidCredentials
from tenants.tokens import Purpose, Signer, decoded, encoded

TICKET_SECONDS = 600
#: However often it is renewed, a ticket is never good for longer after the password was given.
LONGEST_SECONDS = 2 * 3600
_TAG = 24


class Candidate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person whose password was right, in one account that they chose or have only one of.

    `proven_at` is when it was, in seconds since 1970, for whoever comes with a ticket; 0 is now. `session_id` is of the session that
    the ticket was given to in place of a password: it is good no longer than that session.
    """

    account_id: UUID
    user_id: UUID
    identity_id: UUID
    credentials_version: int
    email: str
    proven_at: int = 0
    session_id: UUID | None = None


class _Ticket(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    candidate: Candidate
    expires: int


def make_ticket(signer: Signer, candidate: Candidate) -> str:
    """A ticket for the candidate. Of one that comes from a ticket, it is that ticket renewed."""
    now = int(time())
    proven_at = candidate.proven_at or now
    expires = min(now + TICKET_SECONDS, proven_at + LONGEST_SECONDS)
    body = msgspec.msgpack.encode(_Ticket(msgspec.structs.replace(candidate, proven_at=proven_at), expires))
    return encoded(signer.tag(Purpose.TICKET, body) + body)


def read_ticket(signer: Signer, ticket: str) -> Candidate:
    """Whom a ticket is for. Raises InvalidCredentials for what is none of ours or whose time is over."""
    return _read(signer, ticket).candidate


def lasting_ticket(signer: Signer, ticket: str) -> str:
    """The ticket itself while it is good for half its time still, else a fresh one in its place. Raises as `read_ticket`."""
    found = _read(signer, ticket)
    return ticket if found.expires - time() > TICKET_SECONDS / 2 else make_ticket(signer, found.candidate)


def _read(signer: Signer, ticket: str) -> _Ticket:
    raw = decoded(ticket)
    if raw is None or not signer.matches(raw[:_TAG], Purpose.TICKET, raw[_TAG:]):
        raise InvalidCredentials
    try:
        found = msgspec.msgpack.decode(raw[_TAG:], type=_Ticket)
    except msgspec.DecodeError:
        # Another release of ours made it.
        raise InvalidCredentials from None
    if found.expires < time():
        raise InvalidCredentials
    return found


def candidate_of(row: Any) -> Candidate:
    """From a row that names all of it."""
    return Candidate(row.account_id, row.user_id, row.identity_id, row.credentials_version, row.email)
