"""A long history on throw-away servers: years of many accounts' lines, made inside PostgreSQL month by month, with a bar."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from tenants.sealing import seal_account
from tests import make
from tests.bench.crowd import FIRST, LAST
from tests.bench.filling import bar, filler, settle
from tests.bench.people import hire, sign_in
from tests.faults.processes import Stage

MONTHS, PEOPLE, TARGETS = 12, 20, 40
_AT_ONCE = 250_000


@dataclass(frozen=True, slots=True)
class Span:
    """Lines and accounts of an installation; every account has as many lines as the others, spread over a year."""

    accounts: int
    lines: int


@dataclass
class History:
    """An installation with such a history, and the token of an administrator of one of its accounts."""

    span: Span
    watched: UUID
    token: str
    #: What filling took.
    seconds: float = 0
    table_bytes: int = 0
    index_bytes: int = 0


async def write_history(on: Stage, span: Span) -> History:
    """Fill servers that are empty. Lines lie in the order of time, as they came: those of one account are scattered among all others."""
    async with on.house() as house:
        await make.operator(house)
        (company,) = await hire(house, on, companies=1, staff=1, name="Watched")
        history = History(span, company.account_id, (await sign_in(house, company.people))[0])
    began = time.monotonic()
    async with filler(on.addresses.superuser_url) as connection:
        await _fill(connection, history)
    history.seconds = time.monotonic() - began
    return history


async def seal_bytes(on: Stage, history: History) -> float:
    """What the seals of the watched account take up, for each of its lines."""
    await on.ask(_OWE, history.watched)
    async with on.house() as house:
        await seal_account(house.database, house.signer, history.watched)
    (row,) = await on.ask(_SEALED, history.watched)
    return float(row["bytes"]) / int(row["lines"])


async def _fill(connection: asyncpg.Connection, history: History) -> None:
    # Since no trigger runs, nobody owes a seal for these lines.
    await connection.execute("SET maintenance_work_mem = '256MB'; SET TimeZone = 'UTC'")
    months = [row[0] for row in await connection.fetch(_MONTHS, MONTHS)]
    for month in months:
        await connection.execute("SELECT activity_make_month($1)", month)
    # Indexes are sooner made of all lines than line by line in no order.
    indexes = [row[0] for row in await connection.fetch(_INDEXES)]
    await connection.execute("ALTER TABLE activity DROP CONSTRAINT pk_activity")
    for name in ("ix_activity_at", "ix_activity_actor", "ix_activity_target", "ix_activity_event"):
        await connection.execute(f"DROP INDEX {name}")
    await connection.execute(_EVENTS)
    await connection.execute(_PLACES, history.watched, history.span.accounts)
    span, lines = datetime.now(UTC).timestamp() - _begin(months[0]), history.span.lines
    with bar() as shown:
        task = shown.add_task("lines", total=lines)
        for first in range(0, lines, _AT_ONCE):
            some = min(_AT_ONCE, lines - first)
            await connection.execute(
                _LINES,
                first,
                first + some - 1,
                history.span.accounts,
                _begin(months[0]),
                span / lines,
                PEOPLE,
                TARGETS,
                FIRST,
                LAST,
            )
            shown.advance(task, some)
        task = shown.add_task("indexes", total=len(indexes) + 1)
        await connection.execute("ALTER TABLE activity ADD CONSTRAINT pk_activity PRIMARY KEY (account_id, id)")
        shown.advance(task)
        for index in indexes:
            await connection.execute(index)
            shown.advance(task)
    await settle(connection)
    history.table_bytes, history.index_bytes = await connection.fetchrow(_BYTES)


def _begin(month: object) -> float:
    return datetime.fromisoformat(f"{month}T00:00:00+00:00").timestamp()


_MONTHS = """
SELECT (date_trunc('month', now()) - make_interval(months => n))::date FROM generate_series($1::integer - 1, 0, -1) n
"""

_INDEXES = """
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index WHERE indrelid = 'activity'::regclass AND NOT indisprimary
"""

_BYTES = """
SELECT sum(pg_table_size(inhrelid))::bigint, sum(pg_indexes_size(inhrelid))::bigint FROM pg_inherits WHERE inhparent = 'activity'::regclass
"""

_OWE = """
INSERT INTO activity_unsealed (account_id, id) SELECT account_id, id FROM activity WHERE account_id = $1 ON CONFLICT DO NOTHING
"""

_SEALED = """
SELECT sum(pg_column_size(lines) + pg_column_size(digests) + pg_column_size(actors) + pg_column_size(targets) + 250) AS bytes,
    sum(cardinality(lines)) AS lines FROM activity_seals WHERE account_id = $1
"""

_PLACES = """
CREATE TEMPORARY TABLE places AS SELECT 0::bigint AS place, $1::uuid AS account_id
    UNION ALL SELECT n, gen_random_uuid() FROM generate_series(1, $2::bigint - 1) n;
"""

# What a company's year consists of: of a thousand lines so many of each event, with facts of the usual size.
_EVENTS = """
CREATE TEMPORARY TABLE mix AS SELECT row_number() OVER () - 1 AS slot, event, result, kind, target, facts FROM (VALUES
    (300, 'session.signed_in', 'done', 'person', 'user', '{"session_id": "01a2031d-67e8-7062-b3ee-6c1a8ae46b62", "ended": [], "seat": "pool"}'),
    (150, 'session.signed_out', 'done', 'user', 'user', '{"why": "signed_out", "session_id": "01a2031d-67e8-7062-b3ee-6c1a8ae46b62"}'),
    (50, 'session.ended', 'done', 'user', 'user', '{"why": "idle", "reason": null, "sessions": 1}'),
    (30, 'session.sign_in_failed', 'failed', 'person', 'user', '{"why": "password"}'),
    (40, 'seat.refused', 'refused', 'person', 'user', '{"seats": 6, "in_use": 6, "held": 0}'),
    (180, 'document.created', 'done', 'api_key', 'invoice', '{"total": "1280.40", "currency": "EUR"}'),
    (90, 'document.changed', 'done', 'api_key', 'invoice', '{"before": {"status": "draft"}, "after": {"status": "sent"}}'),
    (20, 'document.deleted', 'done', 'api_key', 'invoice', '{"reason": "double"}'),
    (60, 'mail.sent', 'done', 'system', 'user', '{"letter": "invitation"}'),
    (40, 'user.changed', 'done', 'user', 'user', '{"before": {"role": "user"}, "after": {"role": "accountant"}}'),
    (20, 'user.invited', 'done', 'user', 'user', '{"role": "user", "departments": null}'),
    (10, 'user.suspended', 'done', 'user', 'user', '{"since": null, "until": null, "reason": "parental leave"}'),
    (5, 'user.struck_off', 'done', 'user', 'user', '{}'),
    (3, 'licence.changed', 'done', 'user', 'account', '{"before": {"seats": 6}, "after": {"seats": 7}, "reason": "one more"}'),
    (2, 'account.changed', 'done', 'user', 'account', '{"before": {"idle_timeout": 30}, "after": {"idle_timeout": 45}}')
) AS events (share, event, result, kind, target, facts), generate_series(1, share);
ALTER TABLE mix ADD PRIMARY KEY (slot);
"""

# An account's n-th line is like every other account's n-th line, so one of a large installation compares with one of a small one.
_LINES = """
INSERT INTO activity (at, recorded_at, event, result, actor_kind, actor_user_id, actor_identity_id, actor_key_id, actor_name, actor_email,
    target_type, target_id, target_label, facts, ip, device, request_id, account_id, id)
SELECT moment, moment, event, result, kind,
    CASE WHEN kind IN ('user', 'person') THEN who END, CASE WHEN kind IN ('user', 'person') THEN who END, CASE WHEN kind = 'api_key' THEN who END,
    CASE WHEN kind <> 'system' THEN name END, CASE WHEN kind <> 'system' THEN 'p' || person || '@atelier.example.com' END,
    target, CASE target WHEN 'invoice' THEN 'INV-' || turn WHEN 'account' THEN p.account_id::text ELSE md5(thing::text)::uuid::text END,
    CASE target WHEN 'invoice' THEN 'Invoice ' || turn WHEN 'account' THEN 'Atelier' ELSE 'Person ' || thing END,
    facts::jsonb, '203.0.113.' || person, 'Firefox, Windows', left(noise, 16), p.account_id,
    (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid
  FROM (
    SELECT n / $3::bigint AS turn, n * 7919 % $3::bigint AS place, hashint8(n / $3::bigint) & 2147483647 AS chance,
        md5(n::text) AS noise, to_timestamp($4::float8 + n * $5::float8) AS moment
      FROM generate_series($1::bigint, $2::bigint) n OFFSET 0
    ) AS drawn
  JOIN mix ON slot = chance % 1000
  JOIN places p USING (place),
  LATERAL (SELECT chance / 1000 % $6::bigint AS person, chance / 20000 % $7::bigint AS thing) AS numbers,
  LATERAL (SELECT md5('person ' || person)::uuid AS who,
      ($8::text[])[1 + person % cardinality($8::text[])] || ' ' || ($9::text[])[1 + person % cardinality($9::text[])] AS name) AS whose
"""
