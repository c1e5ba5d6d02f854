"""Which API keys are good, as one process knows it: asked of PostgreSQL again as soon as anything of their account changes."""

from datetime import datetime
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from tenants.api_keys import OPTION, KeyScope, key_texts
from tenants.bearer_tokens import Bearer
from tenants.database import Database
from tenants.errors import AccountUnavailable, Forbidden, InvalidKey, OptionMissing
from tenants.seats import Seats
from tenants.tokens import Signer

# Seconds. A process killed around a revocation's commit leaves the epoch as it was: then this ends the key, wherever it is remembered.
REMEMBERED_FOR = 60
NOTED_EVERY = 60
_MOST_REMEMBERED = 20_000


class KeyFacts(NamedTuple):
    """Everything that decides about a key, in one row. `now` is the database's clock."""

    digest: bytes
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    standing: str
    options: list[str]
    now: datetime

    def must_open(self, scope: KeyScope) -> None:
        """Raise InvalidKey, AccountUnavailable, OptionMissing or Forbidden unless the key is good for the scope now."""
        if self.revoked_at is not None:
            raise InvalidKey(why="revoked")
        if self.expires_at is not None and self.expires_at <= self.now:
            raise InvalidKey(why="expired")
        if self.standing != "active":
            raise AccountUnavailable(why=f"account_{self.standing}", contact=None)
        if OPTION not in self.options:
            raise OptionMissing(option=OPTION)
        if scope not in self.scopes:
            raise Forbidden(what="scope", scope=scope)


class _Remembered(NamedTuple):
    facts: KeyFacts | None
    epoch: str
    until: float


_FACTS = """
SELECT k.key_digest, k.scopes, k.expires_at, k.revoked_at, a.standing, l.options, now()
  FROM api_keys k JOIN accounts a ON a.id = k.account_id JOIN licences l ON l.account_id = k.account_id
 WHERE k.account_id = $1 AND k.id = $2
"""
_NOTE = """
UPDATE api_keys SET last_used_at = date_trunc('minute', now())
 WHERE account_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', now()))
"""


class Keyring:
    """From a key's text to the account that it speaks for.

    What PostgreSQL said of a key is remembered for a minute at most, and only while the account's epoch, which is read of Redis at
    every request, is what it was: a revoked key opens nothing at the next request, on every process. No seat is touched.
    """

    def __init__(self, database: Database, seats: Seats, signer: Signer) -> None:
        """One for each process."""
        self._database = database
        self._seats = seats
        self._texts = key_texts(signer)
        self._remembered: dict[tuple[UUID, UUID], _Remembered] = {}
        self._noted: dict[tuple[UUID, UUID], float] = {}

    async def admit(self, text: str, scope: KeyScope) -> Bearer:
        """The key, if it is good for the scope.

        A licence that has ended stops no key: whom it still lets in is decided for each person. Raises InvalidKey, Forbidden
        without the scope, AccountUnavailable while the account is suspended or closed, OptionMissing while its licence lacks the
        option, and Unavailable.
        """
        bearer = self._texts.read(text)
        if bearer is None:
            raise InvalidKey
        facts = await self._facts(bearer)
        if facts is None or facts.digest != bearer.digest:
            raise InvalidKey
        facts.must_open(scope)
        return bearer

    def wants_note(self, bearer: Bearer) -> bool:
        """Whether a use of the key should be noted now: once a minute."""
        place, now = (bearer.account_id, bearer.row_id), monotonic()
        if now < self._noted.get(place, 0):
            return False
        if len(self._noted) >= _MOST_REMEMBERED:
            self._noted.clear()
        self._noted[place] = now + NOTED_EVERY
        return True

    async def note(self, bearer: Bearer) -> None:
        """Write down that the key was used in this minute, if no process has."""
        async with self._database.plain(bearer.account_id) as plain:
            await plain.rows(_NOTE, bearer.account_id, bearer.row_id)

    async def _facts(self, bearer: Bearer) -> KeyFacts | None:
        # The epoch is read before the facts that it labels: a change in between makes them old at once.
        epoch = await self._seats.epoch(bearer.account_id)
        place = (bearer.account_id, bearer.row_id)
        known = self._remembered.get(place)
        if known is None or known.epoch != epoch or known.until <= monotonic():
            known = await self._read(bearer, epoch)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[place] = known
        return known.facts

    async def _read(self, bearer: Bearer, epoch: str) -> _Remembered:
        began = monotonic()
        async with self._database.plain(bearer.account_id) as plain:
            row = await plain.row(_FACTS, bearer.account_id, bearer.row_id)
        facts = KeyFacts(*row) if row is not None else None
        lasts = float(REMEMBERED_FOR)
        if facts is not None and facts.expires_at is not None and facts.expires_at > facts.now:
            lasts = min(lasts, (facts.expires_at - facts.now).total_seconds())
        return _Remembered(facts, epoch, began + lasts)
