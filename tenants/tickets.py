"""Tickets: stand for a right password for ten minutes, for one person in one account, until the password changes."""

from time import time
from typing import Any
from uuid import UUID

import msgspec

from tenants.errors import InvalidCredentials
from tenants.tokens import Purpose, Signer, decoded, encoded

TICKET_SECONDS = 600
_TAG = 24


class Candidate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person whose password was right, in one account that they chose or have only one of."""

    account_id: UUID
    user_id: UUID
    identity_id: UUID
    credentials_version: int
    email: str


class _Ticket(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    candidate: Candidate
    expires: int


def make_ticket(signer: Signer, candidate: Candidate) -> str:
    """A ticket for the candidate."""
    body = msgspec.msgpack.encode(_Ticket(candidate, int(time()) + TICKET_SECONDS))
    return encoded(signer.tag(Purpose.TICKET, body) + body)


def read_ticket(signer: Signer, ticket: str) -> Candidate:
    """Whom a ticket is for. Raises InvalidCredentials for what is none of ours or whose time is over."""
    raw = decoded(ticket)
    if raw is None or not signer.matches(raw[:_TAG], Purpose.TICKET, raw[_TAG:]):
        raise InvalidCredentials
    found = msgspec.msgpack.decode(raw[_TAG:], type=_Ticket)
    if found.expires < time():
        raise InvalidCredentials
    return found.candidate


def candidate_of(row: Any) -> Candidate:
    """From a row that names all of it."""
    return Candidate(row.account_id, row.user_id, row.identity_id, row.credentials_version, row.email)
