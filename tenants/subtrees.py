"""What hangs below an account: it stands only while everything above it does. Closing one ends what is below, and reopening brings it back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, AccountStatus, find_account, hold_account
from tenants.activity import Event, inserted_from, line_by, record
from tenants.actors import Actor
from tenants.database import enter
from tenants.effects import EndedSession, effects_of, raise_epoch
from tenants.errors import NotInState
from tenants.outbox import Lease, hold_back

REOPENED_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Moved:
    """An account whose standing has become another one."""

    id: UUID
    name: str
    before: AccountStatus
    after: AccountStatus


async def must_be_reopenable(session: AsyncSession, account: Account, *, to: AccountStatus) -> None:
    """A closed account becomes active again within 30 days, by the database's clock; NotInState otherwise, with what to do instead."""
    closed_at = account.closed_at
    if to != "active" or closed_at is None:
        raise NotInState(state=account.status)
    until = closed_at + REOPENED_WITHIN
    if (await session.execute(select(func.now()))).scalar_one() > until:
        raise NotInState(state="closed", closed_at=closed_at, reopen_until=until, instead="new_account")


async def change_status(session: AsyncSession, by: Actor, account: Account, *, to: AccountStatus) -> None:
    """Suspend, close or reopen an account, which is entered and locked, with all that hangs below it. Enters each in turn, and returns.

    Whatever stops standing has its sessions ended and its mail held; whatever stands again has its mail owed again. An account that is
    suspended or closed by itself, or by another one above it, stays so.
    """
    before, standing = account.status, account.standing
    account.status = to
    account.closed_at = func.now() if to == "closed" else None
    await session.flush()
    raise_epoch(session, account.id)
    if account.standing == standing:
        record(session, Event.ACCOUNT_STATUS_CHANGED, by=by, on=("account", account.id, account.name), before=before, after=to)
        return
    await _carry_out(session, by, Moved(account.id, account.name, standing, account.standing), {"before": before, "after": to})
    for moved in await _moved_below(session, account):
        await enter(session, moved.id)
        await _carry_out(session, by, moved, {"before": moved.before, "after": moved.after, "above": account.name})
    await enter(session, account.id)


async def keep_for_later(session: AsyncSession, lease: Lease) -> bool:
    """Whether the mail in hand waits: it is held from now on, because the account entered does not stand."""
    known = await find_account(session, lease.account_id)
    if known is None or known.standing == "active":
        return False
    # A return to standing gives back whatever is held: it must not slip between this look and the holding.
    account = await hold_account(session, lease.account_id)
    if account is None or account.standing == "active":
        return False
    await hold_back(session, lease)
    return True


# Level after level, each locked and read before the next: an account that is being opened holds its parent, so it is either there
# already when its level is read, or it is opened after this and reads what its parent has become.
_LEVEL = """
SELECT id, name, standing FROM accounts WHERE parent_id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_HAND_DOWN = """
UPDATE accounts c SET above = p.standing FROM accounts p
 WHERE p.id = c.parent_id AND c.id = ANY($1::uuid[]) AND c.above <> p.standing RETURNING c.id, c.standing
"""


async def _moved_below(session: AsyncSession, account: Account) -> list[Moved]:
    found: list[Moved] = []
    parents = [account.id]
    while parents:
        known = {row.id: row for row in await _rows(session, _LEVEL, parents)}
        changed = await _rows(session, _HAND_DOWN, list(known))
        level = [Moved(row.id, known[row.id].name, known[row.id].standing, row.standing) for row in changed]
        moved = [each for each in level if each.before != each.after]
        found += moved
        parents = [each.id for each in moved]
    return found


# One statement for each account: a reseller may have thousands. Sessions of an account that comes back were signed in while it was
# being stopped, and stay over. The fence of a mail in hand is left alone: if it is sent all the same, it is settled as sent.
_CARRY_OUT = """
WITH ended AS (
    UPDATE sessions SET ended_at = now(), ended_reason = $2, ended_by = $3, ended_by_user_id = $4
     WHERE account_id = $1 AND ended_at IS NULL AND expires_at > now() RETURNING id, coalesce(user_id, id) AS whose
), mail AS (
    {mail}
), line AS (
    {line}
)
SELECT id, whose FROM ended
"""
_LINE = inserted_from("(SELECT 1) AS once", first=5)
_STOP = _CARRY_OUT.format(line=_LINE, mail="UPDATE outbox SET state = 'held' WHERE account_id = $1 AND state = 'owed'")
_BRING_BACK = _CARRY_OUT.format(
    line=_LINE, mail="UPDATE outbox SET state = 'owed', next_try_at = now() WHERE account_id = $1 AND state = 'held'"
)


async def _carry_out(session: AsyncSession, by: Actor, moved: Moved, facts: dict[str, Any]) -> None:
    # In the account entered.
    raise_epoch(session, moved.id)
    effects = effects_of(session)
    returns = moved.after == "active"
    why = f"account_{moved.before if returns else moved.after}"
    line = line_by(session, Event.ACCOUNT_STATUS_CHANGED, by=by, on=("account", moved.id, moved.name), **facts)
    ended = await _rows(session, _BRING_BACK if returns else _STOP, moved.id, why, by.name, by.user_id, *line)
    effects.ended.extend(EndedSession(moved.id, row.whose, row.id, why) for row in ended)
    effects.mail_owed |= returns


async def _rows(session: AsyncSession, statement: str, *values: Any) -> list[Any]:
    # As the driver takes it: prepared once, and run for every account.
    connection = await session.connection()
    return list(await connection.exec_driver_sql(statement, values))
