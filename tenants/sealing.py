"""The sealer: closes what is committed into each account's chain, in bites, without ever holding up who writes the history."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from tenants.activity_digests import NOTHING, SELECTED, Form, content_digest, microseconds, written_at
from tenants.database import Database, Plain
from tenants.outbox import step_into_sorting_room
from tenants.tokens import Purpose, Signer

#: Most lines of one seal, and of one transaction.
PER_SEAL, BITE = 1_000, 2_000

_HEAD = "SELECT number, digest, clock_timestamp() AS now FROM activity_heads WHERE account_id = $1 FOR UPDATE"
_FIRST_HEAD = """
INSERT INTO activity_heads (account_id, number, lines, digest, sealed_at) VALUES ($1, 0, 0, '', clock_timestamp()) ON CONFLICT DO NOTHING
"""
_OWED = "SELECT id FROM activity_unsealed WHERE account_id = $1 ORDER BY id LIMIT $2"
#: The limits say it again, for partitions that hold none of these lines are not looked at.
LINES = f"SELECT {SELECTED} FROM activity WHERE account_id = $1 AND id = ANY($2::uuid[]) AND id BETWEEN $3 AND $4"  # noqa: S608 - of columns
KEYS = "SELECT id, key FROM activity_people WHERE account_id = $1 AND id = ANY($2::uuid[])"
_NEW_KEYS = "INSERT INTO activity_people (account_id, id, key) SELECT $1, * FROM unnest($2::uuid[], $3::bytea[])"
_ADD = """
INSERT INTO activity_seals (account_id, id, number, month, lines, digests, actors, targets, content, previous, digest, key, sealed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_MOVE_ON = """
WITH done AS (DELETE FROM activity_unsealed WHERE account_id = $1 AND id = ANY($2::uuid[]) AND id BETWEEN $3 AND $4)
UPDATE activity_heads SET number = $5, lines = lines + $6, digest = $7, sealed_at = $8 WHERE account_id = $1
"""
# Where the next account begins is one step in the index, however many lines each of them owes.
_OWING = """
WITH RECURSIVE owing AS (
    (SELECT account_id FROM activity_unsealed ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT account_id FROM activity_unsealed WHERE account_id > owing.account_id ORDER BY account_id LIMIT 1)
      FROM owing WHERE owing.account_id IS NOT NULL
)
SELECT account_id FROM owing WHERE account_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A seal, as its digest is made of it."""

    account_id: UUID
    id: UUID
    number: int
    month: date
    content: bytes
    previous: bytes
    sealed_at: datetime

    def digest(self, signer: Signer, key: str) -> bytes:
        """24 bytes that only this installation's SECRET_KEY makes; `key` is the name of the one that the seal claims."""
        return signer.tag(
            Purpose.SEAL,
            *(b"seal 1", self.account_id.bytes, self.id.bytes, str(self.number).encode(), self.month.isoformat().encode()),
            *(self.content, self.previous, str(microseconds(self.sealed_at)).encode(), key.encode()),
        )


def key_name(signer: Signer) -> str:
    """Tells one SECRET_KEY from another, and nothing else of it."""
    return signer.tag(Purpose.SEAL, b"name of the key").hex()[:16]


def month_of(line_id: UUID) -> date:
    """First day of the month (UTC) in whose partition the line lies."""
    return written_at(line_id).date().replace(day=1)


async def accounts_owing(database: Database) -> list[UUID]:
    """Accounts with lines that are committed and not sealed yet."""
    async with database.transaction() as session:
        await step_into_sorting_room(session)
        return list(await session.scalars(text(_OWING)))


async def seal_account(database: Database, signer: Signer, account_id: UUID) -> int:
    """Seal every line that the account owes now, and return how many. Each is sealed once, whoever else does this, wherever one is killed.

    Lines come into the chain in the order in which they were written; one that was committed late comes with those sealed after it.
    """
    sealed = 0
    while True:
        async with database.plain(account_id) as plain:
            bite = await _seal_some(plain, signer, account_id)
        sealed += bite
        if bite < BITE:
            return sealed


async def _seal_some(plain: Plain, signer: Signer, account_id: UUID) -> int:
    # Two sealers queue at the head: the second one finds what the first one left. Who writes lines never asks for it.
    head = await plain.row(_HEAD, account_id)
    if head is None:
        await plain.rows(_FIRST_HEAD, account_id)
        head = await plain.row(_HEAD, account_id)
    owed = [row["id"] for row in await plain.rows(_OWED, account_id, BITE)]
    if not owed:
        return 0
    found = {row["id"]: Form(row) for row in await plain.rows(LINES, account_id, owed, owed[0], owed[-1])}
    keys = await _keys(plain, account_id, {person for form in found.values() for person in (form.actor, form.target) if person})
    number, previous, now, name = head["number"], head["digest"], head["now"], key_name(signer)
    for month, lines in _parts(owed):
        number += 1
        parts = _digests([found.get(line) for line in lines], keys)
        link = Link(account_id, uuid7(), number, month, content_digest(lines, *parts), previous, now)
        digest = link.digest(signer, name)
        await plain.rows(
            _ADD, account_id, link.id, number, month, lines, *parts, link.content, previous, digest, name, now,
        )  # fmt: skip
        previous = digest
    await plain.rows(_MOVE_ON, account_id, owed, owed[0], owed[-1], number, len(owed), previous, now)
    return len(owed)


def _parts(owed: Sequence[UUID]) -> Iterator[tuple[date, list[UUID]]]:
    for month, lines in groupby(owed, month_of):
        listed = list(lines)
        for first in range(0, len(listed), PER_SEAL):
            yield month, listed[first : first + PER_SEAL]


def _digests(forms: list[Form | None], keys: dict[UUID, bytes]) -> tuple[bytes, bytes, bytes]:
    digests, actors, targets = [], [], []
    for form in forms:
        # A line that somebody took away before it was sealed is told for good: nothing has such a digest.
        actor = NOTHING if form is None or form.actor is None else form.actor_digest(keys[form.actor])
        target = NOTHING if form is None or form.target is None else form.target_digest(keys[form.target])
        actors.append(actor)
        targets.append(target)
        digests.append(NOTHING if form is None else form.digest(actor=actor, target=target))
    return b"".join(digests), b"".join(actors), b"".join(targets)


async def _keys(plain: Plain, account_id: UUID, people: set[UUID]) -> dict[UUID, bytes]:
    known: dict[UUID, bytes] = {row["id"]: row["key"] for row in await plain.rows(KEYS, account_id, list(people))} if people else {}
    new: dict[Any, bytes] = {person: secrets.token_bytes(32) for person in people - known.keys()}
    if new:
        await plain.rows(_NEW_KEYS, account_id, list(new), list(new.values()))
    return known | new
