"""The pool of seats and the hot copies of sessions, in Redis: every change is one script, atomic over all processes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from tenants.errors import Unavailable
from tenants.seat_figures import FIRST_DAY, Figures, figures_of
from tenants.seat_keys import LINE, OFFERS, SessionKey, account_keys, copy_key, script, user_key
from tenants.seat_verdicts import (
    Befallen,
    Full,
    Gone,
    HotCopy,
    Policy,
    Promoted,
    Reread,
    Soon,
    Taken,
    Verdict,
    Wanted,
    befallen_of,
    kept_of,
    verdict_of,
)
from tenants.valkey import Part, Script, Valkey

# A seat taken by a sign-in that nobody confirmed is free again after this.
UNCONFIRMED_MS = 10_000
# A change announced and not settled (its process died around the commit) makes everything of its account be reread after this.
GIVEN_UP_MS = 10_000
# After Redis forgot, newcomers wait this long for those who were at work.
RESERVED_MS = 5_000

_RETAKE, _TAKE, _OPEN, _END, _LOAD, _BEAT = (script(name) for name in ("retake", "take", "open", "end", "load", "beat"))
# What every request runs is as short as can be: a script's functions are made anew at each call.
_KEEP, _EPOCH, _ANNOUNCE, _SETTLE, _FIGURES = (
    script(name, seats=False) for name in ("keep", "epoch", "announce", "settle", "figures")
)
_WHICH: dict[Wanted, str] = {"pool": "", "allowance": "a", "management": "m"}


#: Told of everybody who lost a seat by what a script did, so that the history shows it.
Witness = Callable[[UUID, tuple[Befallen, ...]], None]


@dataclass(frozen=True, slots=True)
class Presence:
    """What Redis knows of the live sessions of an account.

    Last request by session; end of the lease by holder, of the pool and of the accountants' allowance; when a holder's last page was
    closed; until when a session's browser counts as there, for those that send heartbeats.
    """

    seen: dict[UUID, datetime]
    leases: dict[UUID, datetime]
    allowance: dict[UUID, datetime]
    closed: dict[UUID, datetime]
    safe: dict[UUID, datetime]

    @property
    def in_use(self) -> int:
        """Seats of the pool that are held now."""
        now = datetime.now(UTC)
        return sum(until > now for until in self.leases.values())

    def holds_pool_seat(self, holder: UUID) -> bool:
        """Whether the holder has one of the seats that the licence caps."""
        lease = self.leases.get(holder)
        return lease is not None and lease > datetime.now(UTC)

    def lease_of(self, holder: UUID) -> datetime | None:
        """Until when the holder has a seat without another request; None without one."""
        lease = self.leases.get(holder) or self.allowance.get(holder)
        return lease if lease is not None and lease > datetime.now(UTC) else None


class Seats:
    """Every operation on the pool. All raise Unavailable while Redis is away."""

    def __init__(self, valkey: Valkey) -> None:
        """Use the process's pipelining connection."""
        self._valkey = valkey
        #: Hears of seats that were taken from somebody.
        self.witness: Witness | None = None

    async def keep(self, key: SessionKey) -> Verdict | Promoted:
        """Who is it, and do they hold a seat? Keeps it, or takes a free one (seat rules 1 and 4).

        One round trip for whoever holds a seat, two for whoever does not.
        """
        answer = await self._valkey.run(_KEEP, key.keys, key.arguments)
        if answer[0] == b"seatless":
            answer = await self._valkey.run(_RETAKE, key.all_keys, key.arguments)
        verdict = kept_of(answer)
        if not isinstance(verdict, str | Gone) and verdict.befallen:
            self.saw(key.account_id, verdict.befallen)
        return verdict

    async def beat(self, key: SessionKey, what: Literal["look", "beat", "close"], page: str = "") -> Verdict:
        """A look that keeps no seat: to know who it is, to hear that a page is still there, or that it was closed (seat rule 5).

        A browser that has ever said that it is there is safe for 90 seconds; its last page closed, its seat lingers for 60.
        """
        return verdict_of(await self._valkey.run(_BEAT, key.all_keys, (*key.arguments, what, page)))

    async def take(
        self,
        account_id: UUID,
        *,
        user_id: UUID,
        session_id: UUID,
        unit: str,
        sessions_per_user: int,
        alive: Sequence[UUID],
        replace: tuple[UUID, UUID] | None = None,
        wanted: Wanted = "pool",
    ) -> Taken | Full | Soon | Reread:
        """A seat for a sign-in (seat rules 3, 6, 7, 12). `replace` is a session and its user; `alive` are the user's own in PostgreSQL.

        The seat is given up after 10 seconds unless `open` confirms it. Raises Unavailable for up to 5 seconds after Redis
        forgot, while seats are kept for those who were at work.
        """
        replaced, replaced_user = replace or (None, None)
        answer = await self._valkey.run(
            _TAKE,
            (*account_keys(account_id), user_key(account_id, user_id), user_key(account_id, replaced_user or user_id)),
            (
                user_id.hex,
                session_id.hex,
                unit,
                sessions_per_user,
                replaced.hex if replaced else "",
                replaced_user.hex if replaced_user else "",
                UNCONFIRMED_MS,
                _WHICH[wanted],
                *(session.hex for session in alive),
            ),
        )
        if answer[0] == b"stale":
            return "reread"
        befallen = befallen_of(answer[-1])
        self.saw(account_id, befallen)
        match answer[0]:
            case b"ok":
                return Taken(answer[1].decode(), [UUID(item.decode()) for item in answer[3]], answer[2].decode(), befallen)
            case b"full":
                return Full(in_use=answer[1], seats=answer[2], held=answer[3], befallen=befallen)
            case b"soon":
                return Soon(seconds=answer[1] / 1000)
            case _:
                raise Unavailable(retry_after=max(1, -(-answer[1] // 1000)))

    async def open(self, how: Literal["open", "restore", "refresh", "beat", "look"], copy: HotCopy, *, epoch: str) -> Verdict:
        """Write a session's hot copy, labelled with the epoch that was read before its facts were, and seat it if there is room.

        To `look` seats nobody; a `beat` seats whom Redis forgot a moment ago.
        """
        lives = max(1, int((copy.expires_at - datetime.now(UTC)).total_seconds()) + 60)
        verdict = verdict_of(
            await self._valkey.run(
                _OPEN,
                (
                    *account_keys(copy.account_id),
                    copy_key(copy.account_id, copy.session_id),
                    user_key(copy.account_id, copy.user_id),
                ),
                (
                    how,
                    copy.session_id.hex,
                    copy.digest,
                    copy.blob,
                    epoch,
                    int(copy.expires_at.timestamp() * 1000),
                    lives,
                    copy.member.hex if copy.member else "",
                    copy.user_id.hex,
                    _WHICH[copy.wanted],
                ),
            )
        )
        if not isinstance(verdict, str | Gone):
            self.saw(copy.account_id, verdict.befallen)
        return verdict

    async def end(
        self, account_id: UUID, *, user_id: UUID, session_id: UUID, why: str, remember: int, heir: UUID | None = None
    ) -> None:
        """The session is over and its seat is free at once, or the heir's; its token is told why for `remember` seconds.

        Who switched accounts may be back: their seat lingers. Who was put out for room may return first (seat rule 11).
        """
        answer = await self._valkey.run(
            _END,
            (*account_keys(account_id), copy_key(account_id, session_id), user_key(account_id, user_id)),
            (session_id.hex, user_id.hex, why, remember, heir.hex if heir else ""),
        )
        self.saw(account_id, befallen_of(answer))

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Part]) -> Any:
        """Another script of this room, over the same connection."""
        return await self._valkey.run(script, keys, arguments)

    def saw(self, account_id: UUID, befallen: tuple[Befallen, ...]) -> None:
        """Let the witness know, if there is anything to know."""
        if befallen and self.witness is not None:
            self.witness(account_id, befallen)

    async def epoch(self, account_id: UUID) -> str:
        """The account's epoch. Read it before the facts that it will label."""
        answer: bytes = await self._valkey.run(_EPOCH, account_keys(account_id)[:1], ())
        return answer.decode()

    async def load_policy(self, account_id: UUID, policy: Policy, *, epoch: str, alive: int) -> None:
        """The policy as PostgreSQL had it at `epoch`. `alive` sessions have seats kept for a moment if Redis had forgotten them."""
        lengths = (RESERVED_MS, _ms(policy.holds_for), _ms(policy.utc_offset), _ms(policy.reclaim or timedelta()))
        arguments = (epoch, policy.seats, _ms(policy.idle), alive, *lengths, policy.accountants)
        self.saw(account_id, befallen_of(await self._valkey.run(_LOAD, account_keys(account_id), arguments)))

    async def announce(self, account_id: UUID, change: str) -> None:
        """A change is about to be committed."""
        await self._valkey.run(_ANNOUNCE, account_keys(account_id)[:2], (change, GIVEN_UP_MS))

    async def settle(self, account_id: UUID, change: str, *, raised: bool) -> bool:
        """The change is committed (`raised`: rights, statuses or licence differ now), or it was rolled back.

        Returns whether somebody waits in line whom it may let in: once the policy is loaded.
        """
        policy, changes, *_ = keys = account_keys(account_id)
        return bool(await self._valkey.run(_SETTLE, (policy, changes, keys[LINE]), (change, "raise" if raised else "keep")))

    async def presence(self, account_id: UUID) -> Presence:
        """Last requests and leases of the account; for lists that people look at, not for decisions."""
        _, _, holders, sessions, _, _, _, beats, lingering, _, allowance, *_ = account_keys(account_id)
        of = (sessions, holders, allowance, lingering, beats)
        found = await asyncio.gather(*(self._valkey.call(b"ZRANGE", key, 0, -1, b"WITHSCORES") for key in of))
        return Presence(*map(_times, found))

    async def holds(self, account_id: UUID, holder: UUID) -> bool:
        """Whether the user, or the session where sessions hold the seats, has a seat now; as `presence`, not for decisions."""
        keys, now = account_keys(account_id), datetime.now(UTC).timestamp() * 1000
        found = await asyncio.gather(*(self._valkey.call(b"ZSCORE", key, holder.hex) for key in (keys[2], keys[10])))
        return any(until is not None and float(until) > now for until in found)

    async def kept(self, account_id: UUID, *, but: UUID) -> int:
        """Seats that are kept for people who come first, and not for this user; as `presence`, not for decisions."""
        offers, now = account_keys(account_id)[OFFERS], int(datetime.now(UTC).timestamp() * 1000)
        every, own = await asyncio.gather(
            self._valkey.call(b"ZCOUNT", offers, b"(%d" % now, b"+inf"), self._valkey.call(b"ZSCORE", offers, but.hex)
        )
        return int(every) - (own is not None and float(own) > now)

    async def in_use_of(self, account_ids: Sequence[UUID]) -> list[int]:
        """Seats that are held now in each of these accounts, in their order; as `presence`, for lists. One shared write."""
        after = b"(%d" % int(datetime.now(UTC).timestamp() * 1000)
        calls = (self._valkey.call(b"ZCOUNT", account_keys(account_id)[2], after, b"+inf") for account_id in account_ids)
        return list(await asyncio.gather(*calls))

    async def figures(self, account_id: UUID) -> Figures | None:
        """What was counted of the account since Redis began to, up to this moment; None when nothing was."""
        answer = await self._valkey.run(_FIGURES, account_keys(account_id)[:5], ("read",))
        return figures_of(answer) if answer else None

    async def forget_figures(self, account_id: UUID, days: Sequence[date]) -> None:
        """Drop days that are written down elsewhere; the present one and the one before it stay."""
        numbers = [(day - FIRST_DAY).days for day in days]
        await self._valkey.run(_FIGURES, account_keys(account_id)[:5], ("forget", *numbers))


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _times(pairs: list[bytes]) -> dict[UUID, datetime]:
    # Heartbeats are by holder and session in one.
    return {
        UUID(member[-32:].decode()): datetime.fromtimestamp(float(score) / 1000, UTC)
        for member, score in zip(pairs[::2], pairs[1::2], strict=True)
    }
