"""Opaque tokens that lead to a row of an account: 256 random bits behind its ids; of the token itself only a digest is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from tenants.tokens import Purpose, Signer, decoded, encoded

_SECRET = 32  # bytes
_TAG = 8


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, shown once, and what is kept of it."""

    text: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Bearer:
    """Where a token leads, and the digest that must be found there."""

    account_id: UUID
    row_id: UUID
    digest: bytes


class BearerTokens:
    """Makes and reads tokens of one kind: account, row, random bits, and a tag that spares PostgreSQL a look-up for made-up ones."""

    def __init__(self, signer: Signer, purpose: Purpose, *, prefix: str) -> None:
        """Keys for the tags come from the installation's signer; the prefix tells people, and scanners of code, what it is."""
        self._signer = signer
        self._purpose = purpose
        self._prefix = prefix

    def new(self, account_id: UUID, row_id: UUID) -> NewToken:
        """A fresh token for a row."""
        body = account_id.bytes + row_id.bytes + secrets.token_bytes(_SECRET)
        return NewToken(self._prefix + encoded(body + self._tag(body)), _digest(body))

    def read(self, token: str) -> Bearer | None:
        """Where the token leads; None for what was never one of ours."""
        raw = decoded(token.removeprefix(self._prefix)) if token.startswith(self._prefix) else None
        if raw is None or len(raw) != 32 + _SECRET + _TAG:
            return None
        body = raw[:-_TAG]
        if not secrets.compare_digest(raw[-_TAG:], self._tag(body)):
            return None
        return Bearer(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), _digest(body))

    def _tag(self, body: bytes) -> bytes:
        return self._signer.tag(self._purpose, body)[:_TAG]


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
