"""Erasing people who were deleted: account by account, until nothing that Portillon keeps names them; done twice it changes nothing."""

import json
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.database import Database
from tenants.erased_identities import empty_identity
from tenants.erasures import Erasure, pseudonym
from tenants.handovers import forget_asker
from tenants.outbox import step_into_sorting_room
from tenants.sealing import seal_account
from tenants.tokens import Signer
from tenants.valkey import Valkey

#: Requests of the person that were under way when they were deleted are over by then: everything is looked through once more.
AGAIN_AFTER = timedelta(minutes=10)
#: Most people of one round; who is left waits for the next.
MOST_AT_ONCE = 100
#: Lines of the history changed by one statement, whose time is limited.
LINES_AT_ONCE = 2_000
#: Such statements for one person in one account before it is given up: a million lines. What they changed stays changed.
MOST_ROUNDS = 500


class LinesRemain(Exception):
    """However often the person was erased from an account's history, lines there still named them. The erasure stays owed."""


class Owed(NamedTuple):
    """Somebody to erase: the user deleted in `home`, and what they were called there."""

    home: UUID
    user_id: UUID
    identity_id: UUID
    known_as: list[str]

    @property
    def values(self) -> dict[str, Any]:
        """For the statements below. `written` are the names as JSON has them."""
        return {
            "home": self.home,
            "person": self.user_id,
            "identity": self.identity_id,
            "pseudonym": pseudonym(self.user_id),
            "names": self.known_as,
            "written": [json.dumps(name, ensure_ascii=False)[1:-1] for name in self.known_as],
        }


async def erase_due(database: Database, signer: Signer, valkey: Valkey) -> int:
    """Erase whoever was deleted and is not erased yet, and once more ten minutes later. Returns how many people were done.

    Whoever cannot be erased now does not hold up the others: the first error is raised at the end.
    """
    async with database.transaction() as session:
        due = await _due(session)
    failed: Exception | None = None
    for owed in due:
        try:
            await erase(database, signer, valkey, owed)
        except Exception as error:  # noqa: BLE001 - the others are erased first
            failed = failed or error
    if failed is not None:
        raise failed
    return len(due)


async def erase(database: Database, signer: Signer, valkey: Valkey, owed: Owed) -> None:
    """Replace one person by their pseudonym wherever they may have left a trace.

    That is where they worked and every account above and below it, each in transactions of its own: whoever is killed in between
    begins anew. The identity, and what it is in other companies, stays as it is while anybody is its user. Raises LinesRemain where
    the history does not come to an end.
    """
    await forget_asker(valkey, owed.home, owed.user_id)
    for account_id in await _reachable(database, owed.home):
        await seal_account(database, signer, account_id)
        await _erase_history(database, account_id, owed)
        await _erase_rows(database, account_id, owed)
    await empty_identity(database, owed.identity_id)
    await _settle(database, owed)


async def _due(session: AsyncSession) -> list[Owed]:
    await step_into_sorting_room(session)
    rows = await session.execute(
        select(Erasure.account_id, Erasure.id, Erasure.identity_id, Erasure.known_as)
        .where(Erasure.done_at.is_(None), or_(Erasure.erased_at.is_(None), Erasure.asked_at <= func.now() - AGAIN_AFTER))
        .order_by(Erasure.asked_at)
        .limit(MOST_AT_ONCE)
        .execution_options(across_accounts=True)
    )
    return [Owed(*row) for row in rows]


# A seller's person acts in what is sold, a client's asks the seller: nobody leaves a trace elsewhere.
_REACHABLE = text("""
WITH RECURSIVE above AS (
    SELECT id, parent_id FROM accounts WHERE id = :home
    UNION ALL SELECT a.id, a.parent_id FROM above JOIN accounts a ON a.id = above.parent_id
), below AS (
    SELECT id FROM accounts WHERE id = :home
    UNION ALL SELECT a.id FROM below JOIN accounts a ON a.parent_id = below.id
) SELECT id FROM above UNION SELECT id FROM below ORDER BY id
""")


async def _reachable(database: Database, home: UUID) -> list[UUID]:
    async with database.transaction() as session:
        return list(await session.scalars(_REACHABLE, {"home": home}))


_LINES = text("SELECT activity_erase(:person, :identity, :home, :at_most)")


async def _erase_history(database: Database, account_id: UUID, owed: Owed) -> None:
    for _ in range(MOST_ROUNDS):
        if not await _erase_lines(database, account_id, owed):
            return
    raise LinesRemain(f"lines of account {account_id} still name user {owed.user_id} after {MOST_ROUNDS} rounds")


async def _erase_lines(database: Database, account_id: UUID, owed: Owed) -> int:
    async with database.transaction(account_id) as session:
        found = await session.scalar(_LINES, _only("person identity home", owed) | {"at_most": LINES_AT_ONCE})
        return int(found or 0)


def _named(table: str, name: str, whose: str) -> str:
    # Rows written before they held an id are told by the name alone, and only where the person worked.
    return (
        f"UPDATE {table} SET {name} = :pseudonym WHERE account_id = :here AND {name} <> :pseudonym"  # noqa: S608 - of constants
        f" AND ({whose} = :person OR ({whose} IS NULL AND account_id = :home AND {name} = ANY(CAST(:names AS text[]))))"
    )


_TRACES = (
    "SELECT licence_changes_erase(:person, :identity, :home)",
    _named("boosts", "by_name", "by_user_id"),
    _named("boosts", "ended_by", "ended_by_user_id"),
    _named("seat_requests", "asked_by", "user_id"),
    _named("seat_requests", "decided_by", "decided_by_user_id"),
    _named("visit_permissions", "given_by", "given_by_user_id"),
    _named("visit_permissions", "revoked_by", "revoked_by_user_id"),
    _named("api_keys", "created_by", "created_by_user_id"),
    _named("api_keys", "revoked_by", "revoked_by_user_id"),
    _named("invitations", "invited_by", "invited_by_user_id"),
    _named("sessions", "ended_by", "ended_by_user_id"),
    "UPDATE invitations SET message = NULL WHERE account_id = :here AND user_id = :person AND message IS NOT NULL",
    "UPDATE sessions SET ip = NULL, device = NULL WHERE account_id = :here AND (ip IS NOT NULL OR device IS NOT NULL) AND (user_id = :person"
    " OR visit_id IN (SELECT id FROM visits WHERE account_id = :here AND visitor_user_id = :person))",
    "UPDATE visits SET visitor_name = :pseudonym, visitor_email = :pseudonym"
    " WHERE account_id = :here AND visitor_user_id = :person AND (visitor_name <> :pseudonym OR visitor_email <> :pseudonym)",
    # What the mail server said of a mail to the person often repeats the address.
    "UPDATE outbox SET last_reply = NULL WHERE account_id = :here AND user_id = :person AND last_reply IS NOT NULL",
    # An answer that is kept for a request sent again: the work stays done, and its answer is lost.
    "UPDATE idempotency_keys SET state = 'done', status = NULL, content_type = NULL, body = NULL"
    " WHERE account_id = :here AND state = 'answered' AND (user_id = :person OR EXISTS (SELECT FROM unnest("
    "CAST(:written AS text[]) || CAST(:person AS uuid)::text) AS word WHERE position(convert_to(word, 'UTF8') IN body) > 0))",
    # Their own exports are closed, and the files go with the next round of exports; of others' that are ready, what was looked for.
    "UPDATE activity_exports SET filters = '{}', position = NULL, state = 'cancelled', leased_until = NULL, fence = fence + 1"
    " WHERE account_id = :here AND user_id = :person AND state IN ('waiting', 'running', 'ready')",
    "UPDATE activity_exports SET filters = '{}' WHERE account_id = :here AND state = 'ready' AND EXISTS ("
    "SELECT FROM unnest(CAST(:written AS text[])) AS word WHERE position(word IN filters::text) > 0)",
)
_STATEMENTS = tuple(text(trace) for trace in _TRACES)


async def _erase_rows(database: Database, account_id: UUID, owed: Owed) -> None:
    async with database.transaction(account_id) as session:
        given = owed.values | {"here": account_id}
        for statement in _STATEMENTS:
            await session.execute(statement, {name: given[name] for name in statement.compile().params})


def _only(names: str, owed: Owed) -> dict[str, Any]:
    return {name: owed.values[name] for name in names.split()}


async def _settle(database: Database, owed: Owed) -> None:
    async with database.transaction(owed.home) as session:
        mine = update(Erasure).where(Erasure.account_id == owed.home, Erasure.id == owed.user_id)
        await session.execute(mine.where(Erasure.erased_at.is_(None)).values(erased_at=func.now()), execution_options=_PLAIN)
        over = mine.where(Erasure.done_at.is_(None), Erasure.asked_at <= func.now() - AGAIN_AFTER)
        await session.execute(over.values(done_at=func.now(), known_as=[]), execution_options=_PLAIN)


_PLAIN = {"synchronize_session": False}
