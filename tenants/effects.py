"""What a transaction owes the world once it is committed: epochs to raise, sessions to end, a bell to ring."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session whose hot copy must go before the answer is sent. A visit's `user_id` is its own id; an heir gets its seat."""

    account_id: UUID
    user_id: UUID
    session_id: UUID
    reason: str
    heir: UUID | None = None


@dataclass(slots=True)
class Effects:
    """Collected by domain functions during one transaction; carried out by the `Outside` around its commit."""

    raised: set[UUID] = field(default_factory=set)
    ended: list[EndedSession] = field(default_factory=list)
    mail_owed: bool = False

    @property
    def accounts(self) -> set[UUID]:
        """Every account whose hot state changes."""
        return self.raised | {ended.account_id for ended in self.ended}


class Outside(Protocol):
    """Redis and the queue, as a transaction sees them."""

    async def announce(self, effects: Effects) -> object:
        """Before the commit: mark the accounts, so that a process killed after it leaves nothing stale for long.

        Raises Unavailable when Redis is away: the transaction then rolls back and nothing is half done.
        """

    async def settle(self, effects: Effects, announced: object) -> None:
        """After the commit and before the answer: raise epochs, end sessions, ring the bell. Never raises."""

    async def withdraw(self, effects: Effects, announced: object) -> None:
        """After a rollback: the marks go. Never raises."""


class Nobody:
    """An outside for commands that run while nothing else does, such as the first operator's creation."""

    async def announce(self, effects: Effects) -> object:
        """Owe nothing."""

    async def settle(self, effects: Effects, announced: object) -> None:
        """Owe nothing."""

    async def withdraw(self, effects: Effects, announced: object) -> None:
        """Owe nothing."""


def effects_of(session: AsyncSession) -> Effects:
    """The effects that this transaction has collected so far."""
    effects: Effects = session.info.setdefault("effects", Effects())
    return effects


def raise_epoch(session: AsyncSession, account_id: UUID) -> None:
    """Rights, status or licence change: every hot copy of the account is reread at its next request."""
    effects_of(session).raised.add(account_id)
