"""What the vendor's application adds to an account's history: events about documents, each once however often it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import DocumentEvents
from tenants.actors import Origin
from tenants.bearer_tokens import Bearer
from tenants.database import AccountOwned, Base, Database, Plain
from tenants.document_events import DocumentEvent, field_of, rows_of
from tenants.errors import DocumentsRefused, Invalid, InvalidKey
from tenants.outbox import step_into_sorting_room

#: The licence's option without which events about documents are not kept, whatever the account's setting says.
OPTION = "activity_documents"
#: How late an event may come, and how far ahead of ours its clock may be.
LATEST = timedelta(days=31)
AHEAD = timedelta(minutes=5)
#: How long a key is known: longer than its event may be late, so that one with its own time is never written twice.
REMEMBERED = timedelta(days=32)
# Keys that one statement forgets: well inside its time limit.
_BITE = 5_000


class EventKey(AccountOwned, Base):
    """A deduplication key that was seen, as a digest: the same event sent again is known by it."""

    __tablename__ = "activity_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, comment="first half of the SHA-256 of a deduplication key")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch: lines written, events that were known already, and those that the account does not keep."""

    accepted: int = 0
    duplicates: int = 0
    dropped: int = 0


class _Setting(NamedTuple):
    """What decides about a batch, by the database's clock. `known` are those of its users who are the account's."""

    documents: DocumentEvents
    kept: bool
    key_name: str
    now: datetime
    known: list[UUID]


_SETTING = """
SELECT a.activity_documents, a.activity_documents = 'kept' AND $4 = ANY(l.options), k.name, now(),
       ARRAY(SELECT id FROM users WHERE account_id = $1 AND id = ANY($3::uuid[]))
  FROM accounts a JOIN licences l ON l.account_id = a.id JOIN api_keys k ON k.account_id = a.id AND k.id = $2
 WHERE a.id = $1
"""

# Keys in their own order: two batches with the same ones queue at the first and never wait for each other in a circle. The second one
# finds what the first one committed. Where the line is somebody's, their address is unknown: the request came from the application.
_WRITE = """
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS given(
        id uuid, key uuid, action text, type text, target_id text, label text, user_id uuid, at timestamptz, facts jsonb)
), fresh AS (
    INSERT INTO activity_keys (account_id, id) SELECT $1, key FROM given ORDER BY key ON CONFLICT DO NOTHING RETURNING id
), written AS (
    INSERT INTO activity (account_id, id, at, recorded_at, event, result, actor_kind, actor_user_id, actor_identity_id, actor_key_id,
        actor_name, actor_email, target_type, target_id, target_label, facts, ip, device, request_id)
    SELECT $1, given.id, coalesce(given.at, now()), now(), action, 'done', CASE WHEN u.id IS NULL THEN 'api_key' ELSE 'user' END, u.id,
        u.identity_id, $3, CASE WHEN u.id IS NULL THEN $4 ELSE coalesce(nullif(u.name, ''), u.email) END, u.email, type, target_id, label,
        facts, CASE WHEN u.id IS NULL THEN $5 END, CASE WHEN u.id IS NULL THEN $6 END, $7
      FROM given JOIN fresh ON fresh.id = given.key LEFT JOIN users u ON u.account_id = $1 AND u.id = given.user_id
     ORDER BY given.id
    RETURNING 1
) SELECT count(*) FROM written
"""

_FORGET = text("""
DELETE FROM activity_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM activity_keys WHERE received_at < now() - CAST(:remembered AS interval) ORDER BY received_at LIMIT :bite))
""")


async def take_in(database: Database, key: Bearer, events: Sequence[DocumentEvent], *, origin: Origin) -> Intake:
    """Write a batch into the history of the key's account: all of it, or nothing.

    Raises Invalid for the first event that breaks a rule (`unknown` for a user who is not the account's, `too_old` beyond 31 days,
    `ahead` beyond five minutes), and DocumentsRefused where the account refuses such events.
    """
    rows = await rows_of(events)
    async with database.plain(key.account_id) as plain:
        setting = await _setting(plain, key, events)
        if setting.documents == "refused":
            raise DocumentsRefused
        _must_fit(events, setting)
        if not setting.kept:
            return Intake(dropped=len(events))
        # As one text: of many lists, the driver would look at each value several times, and hold up everybody meanwhile.
        given = msgspec.json.encode(rows).decode()
        made_by = (key.row_id, setting.key_name, origin.ip, origin.device, origin.request_id)
        written = await plain.row(_WRITE, key.account_id, given, *made_by)
    return Intake(accepted=written[0], duplicates=len(events) - written[0])


async def forget_keys(database: Database) -> int:
    """Forget the keys of every account that are older than any event may be; returns how many. In small bites, each on its own."""
    gone = 0
    while True:
        async with database.transaction() as session:
            await step_into_sorting_room(session)
            bite = await session.execute(_FORGET, {"remembered": REMEMBERED, "bite": _BITE})
        forgotten: int = bite.rowcount  # type: ignore[attr-defined]  # a cursor's result has it
        gone += forgotten
        if forgotten < _BITE:
            return gone


async def _setting(plain: Plain, key: Bearer, events: Sequence[DocumentEvent]) -> _Setting:
    users = {event.user_id for event in events if event.user_id is not None}
    row = await plain.row(_SETTING, key.account_id, key.row_id, list(users), OPTION)
    if row is None:
        raise InvalidKey
    return _Setting(*row)


def _must_fit(events: Sequence[DocumentEvent], setting: _Setting) -> None:
    known = {None, *setting.known}
    earliest, last = setting.now - LATEST, setting.now + AHEAD
    for number, event in enumerate(events):
        if event.user_id not in known:
            raise Invalid(field_of(number, "user_id"), "unknown")
        if event.at is None:
            continue
        if event.at < earliest:
            raise Invalid(field_of(number, "at"), "too_old", days=LATEST.days)
        if event.at > last:
            raise Invalid(field_of(number, "at"), "ahead", minutes=AHEAD.seconds // 60)
