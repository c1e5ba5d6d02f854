"""Verification: reads an account's chain from its first seal on, and names the first thing that is not as it was sealed."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tenants.activity_checks import Evidence, Finding, People, Seen, What, check_line, check_seal
from tenants.activity_digests import Form, readable, written_at
from tenants.database import Database, enter
from tenants.sealing import KEYS, LINES
from tenants.tokens import Signer

#: Seals read at once, and lines looked at together: all that is in memory at a time.
_SEALS, _LINES = 50, 2_000
# Milliseconds; a month of a big account is compared in one statement.
_STATEMENT_TIMEOUT = 120_000

#: Nothing was written down elsewhere.
NO_HEADS: Mapping[int, bytes] = MappingProxyType({})

# A superuser can write what no seal of ours can hold, and what cannot even be read: that is a finding and no reason to stop.
_READABLE = """
num_nulls(s.id, s.month, s.lines, s.digests, s.actors, s.targets, s.content, s.previous, s.digest, s.key, s.sealed_at) = 0
 AND s.month BETWEEN '1900-01-01' AND '9999-01-01' AND s.sealed_at BETWEEN '1900-01-01' AND '9999-01-01'
 AND CASE WHEN coalesce(array_ndims(s.lines), 1) = 1 THEN array_position(s.lines, NULL) IS NULL ELSE false END
"""
_PAGE = f"""
SELECT s.number, r.id IS NOT NULL AS readable, r.account_id, r.id, r.month, coalesce(r.lines, '{{}}') AS lines, r.digests, r.actors, r.targets,
       r.content, r.previous, r.digest, r.key, r.sealed_at
  FROM activity_seals s LEFT JOIN LATERAL (SELECT s.* WHERE {_READABLE}) r ON true
 WHERE s.account_id = $1 AND s.number > $2 ORDER BY s.number LIMIT $3
"""  # noqa: S608 - of constants
_HEAD = "SELECT coalesce(number, -1) AS number, lines, digest FROM activity_heads WHERE account_id = $1"
_EVIDENCE = """
SELECT id, facts->>'through' AS through FROM activity WHERE account_id = $1 AND event = 'history.forgotten' ORDER BY at DESC, id DESC LIMIT 1
"""
_ERASED = "SELECT id, identity_id FROM activity_erasures WHERE id = ANY($1::uuid[]) OR identity_id = ANY($1::uuid[])"
_OWED_LONG = f"""
SELECT u.id, a.id IS NULL AS gone, {readable("a.at")} AS at
  FROM activity_unsealed u LEFT JOIN activity a ON a.account_id = u.account_id AND a.id = u.id
 WHERE u.account_id = $1 AND u.id < activity_first_id(now() - interval '10 minutes') ORDER BY u.id LIMIT 1
"""  # noqa: S608 - of constants
_NEXT_LINE = "SELECT id FROM activity WHERE account_id = $1 AND id >= $2 ORDER BY id LIMIT 1"
# One month at a time, for a seal is of one month.
_IN_NO_SEAL = """
SELECT id FROM activity WHERE account_id = $1 AND id BETWEEN $2 AND $3
EXCEPT (SELECT unnest(lines) FROM activity_seals WHERE account_id = $1 AND month = $4 AND lines <> '{}'
        UNION ALL SELECT id FROM activity_unsealed WHERE account_id = $1 AND id BETWEEN $2 AND $3)
ORDER BY 1 LIMIT 1
"""
_AT = f"SELECT {readable('at')} FROM activity WHERE account_id = $1 AND id = $2"  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and the first thing that is wrong. `strange` seals were made with another SECRET_KEY, called `strange_key`."""

    lines: int
    seals: int
    strange: int
    strange_key: str | None
    finding: Finding | None


async def verify_account(
    database: Database,
    signer: Signer,
    account_id: UUID,
    *,
    kept: Mapping[int, bytes] = NO_HEADS,
    tell: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Check every seal in order, then what is in no seal. `kept` are digests of heads that were written down elsewhere, by their numbers.

    Memory is bounded however long the history is, and writers, sealer, retention and erasure go on meanwhile. `tell`s how many lines were
    checked since it was told last.
    """
    seen = Seen(account_id, signer, kept)
    finding: Finding | None = None
    more = True
    while more and finding is None:
        # Everything about these seals is read as of one moment: what goes on meanwhile is not taken for a change.
        async with _snapshot(database, account_id) as driver:
            seals = await driver.fetch(_PAGE, account_id, seen.number, _SEALS)
            evidence = await _evidence(driver, account_id)
            finding = await _check_page(driver, seen, seals, evidence, tell)
            more = len(seals) == _SEALS
            if not more and finding is None:
                finding = seen.check_head(await driver.fetchrow(_HEAD, account_id))
    if finding is None:
        finding = await _beside_the_chain(database, account_id)
    return Checked(seen.lines, seen.number, seen.strange, seen.strange_key, finding)


@asynccontextmanager
async def _snapshot(database: Database, account_id: UUID) -> AsyncIterator[Any]:
    async with database.transaction() as session:
        connection = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await enter(session, account_id)
        # Erasures may have been asked for in another account, where the person worked.
        await session.execute(
            text("SELECT set_config('statement_timeout', :t, true), set_config('app.sorting_room', 'on', true)"),
            {"t": str(_STATEMENT_TIMEOUT)},
        )
        yield (await connection.get_raw_connection()).driver_connection


async def _check_page(driver: Any, seen: Seen, seals: list[Any], evidence: Evidence, tell: Callable[[int], None]) -> Finding | None:
    for some in _parts(seals):
        listed = [line for seal in some for line in seal["lines"]]
        lines = await _lines(driver, seen.account_id, listed)
        people = await _people(driver, seen.account_id, [form for form, _ in lines.values()])
        for seal in some:
            if found := check_seal(seen, seal, evidence):
                return found
            for place, line in enumerate(seal["lines"]):
                if found := check_line(seen, seal, place, lines.get(line), people=people, evidence=evidence):
                    return found
        tell(len(listed))
    return None


def _parts(seals: list[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    lines = 0
    for seal in seals:
        if part and lines + len(seal["lines"]) > _LINES:
            yield part
            part, lines = [], 0
        part.append(seal)
        lines += len(seal["lines"])
    if part:
        yield part


async def _lines(driver: Any, account_id: UUID, listed: list[UUID]) -> dict[UUID, tuple[Form, datetime]]:
    rows = await driver.fetch(LINES, account_id, listed, min(listed), max(listed)) if listed else []
    return {row["id"]: (Form(row), row["at"]) for row in rows}


async def _people(driver: Any, account_id: UUID, forms: list[Form]) -> People:
    people = list({person for form in forms for person in (form.actor, form.target) if person})
    erased: dict[UUID, set[UUID]] = {}
    if not people:
        return People({}, erased)
    for user_id, identity_id in await driver.fetch(_ERASED, people):
        erased.setdefault(user_id, set()).add(user_id)
        erased.setdefault(identity_id, set()).add(user_id)
    return People({row["id"]: row["key"] for row in await driver.fetch(KEYS, account_id, people)}, erased)


async def _evidence(driver: Any, account_id: UUID) -> Evidence:
    row = await driver.fetchrow(_EVIDENCE, account_id)
    return Evidence.of(row["id"], row["through"]) if row else Evidence(None)


async def _beside_the_chain(database: Database, account_id: UUID) -> Finding | None:
    async with _snapshot(database, account_id) as driver:
        if owed := await driver.fetchrow(_OWED_LONG, account_id):
            what = What.LINE_MISSING if owed["gone"] else What.LINE_NOT_SEALED
            return Finding(account_id, what, line=owed["id"], at=owed["at"])
    first = UUID(int=0)
    while True:
        async with _snapshot(database, account_id) as driver:
            line = await driver.fetchval(_NEXT_LINE, account_id, first)
            if line is None:
                return None
            month, last = _month_around(line)
            if stray := await driver.fetchval(_IN_NO_SEAL, account_id, first, last, month):
                return Finding(account_id, What.LINE_IN_NO_SEAL, line=stray, at=await driver.fetchval(_AT, account_id, stray))
        if last.int == _HIGHEST:
            return None
        first = UUID(int=last.int + 1)


_HIGHEST = (1 << 128) - 1


def _month_around(line: UUID) -> tuple[date, UUID]:
    """The month of the line, and the last id that is of the same month."""
    month = written_at(line).date().replace(day=1)
    if month.year == 9999 and month.month == 12:
        return month, UUID(int=_HIGHEST)
    nxt = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return month, UUID(int=(((nxt - date(1970, 1, 1)).days * 86_400_000) << 80) - 1)
