"""The pool of seats and the hot copies of sessions, in Redis: every change is one script, atomic over all processes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from tenants.errors import Unavailable
from tenants.valkey import Script, Valkey

# A seat taken by a sign-in that nobody confirmed is free again after this.
UNCONFIRMED_MS = 10_000
# A change announced and not settled (its process died around the commit) makes everything of its account be reread after this.
GIVEN_UP_MS = 10_000
# After Redis forgot, newcomers wait this long for those who were at work.
RESERVED_MS = 5_000

_FIRST_DAY = date(1970, 1, 1)
_LUA = Path(__file__).with_name("lua")


def _script(name: str) -> Script:
    return Script.of_files(_LUA / "shared.lua", _LUA / f"{name}.lua")


_KEEP, _TAKE, _OPEN, _END = _script("keep"), _script("take"), _script("open"), _script("end")
_LOAD, _EPOCH, _ANNOUNCE, _SETTLE = _script("load"), _script("epoch"), _script("announce"), _script("settle")
_FIGURES = _script("figures")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the pool must know of an account: seats, boosts included, for how long that number holds, and the account's clock."""

    seats: int
    idle: timedelta
    holds_for: timedelta
    utc_offset: timedelta


@dataclass(frozen=True, slots=True)
class Seated:
    """The session works. `blob` is its hot copy, `since` when its seat was taken (milliseconds)."""

    blob: bytes
    since: int


@dataclass(frozen=True, slots=True)
class Full:
    """No seat is free. `blob` is the session's hot copy; empty for a sign-in."""

    in_use: int
    seats: int
    blob: bytes = b""


@dataclass(frozen=True, slots=True)
class Gone:
    """The session is over."""

    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A seat for a sign-in, and the sessions that made room for it."""

    epoch: str
    ended: list[UUID]


@dataclass(frozen=True, slots=True)
class Presence:
    """What Redis knows of the live sessions of an account: last request by session, end of the lease by holder."""

    seen: dict[UUID, datetime]
    leases: dict[UUID, datetime]

    @property
    def in_use(self) -> int:
        """Seats that are held now."""
        now = datetime.now(UTC)
        return sum(until > now for until in self.leases.values())


@dataclass(frozen=True, slots=True)
class Figures:
    """What the scripts counted, by the account's days: the names are those of `count` in `shared.lua`.

    `life` names the stretch that was counted without forgetting: figures of another life are to be added to these.
    """

    today: date
    life: str
    by_day: dict[date, dict[str, int]]


#: The hot copy is missing, or older than the last change: PostgreSQL must be asked.
Reread = Literal["reread"]
Verdict = Seated | Full | Gone | Reread


@dataclass(frozen=True, slots=True)
class HotCopy:
    """A session as the scripts keep it. `member` is who holds its seat; None needs none. A visit's `user_id` is its own id."""

    account_id: UUID
    session_id: UUID
    user_id: UUID
    member: UUID | None
    digest: bytes
    blob: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Where a session's token leads: prepared once, used at every request."""

    account_id: UUID
    session_id: UUID
    digest: bytes
    keys: tuple[bytes, ...]
    arguments: tuple[bytes, ...]


def session_key(account_id: UUID, session_id: UUID, digest: bytes) -> SessionKey:
    """The keys and arguments of the script that every request runs."""
    keys = (*_account_keys(account_id), _copy_key(account_id, session_id))
    return SessionKey(account_id, session_id, digest, keys, (session_id.hex.encode(), digest))


class Seats:
    """Every operation on the pool. All raise Unavailable while Redis is away."""

    def __init__(self, valkey: Valkey) -> None:
        """Use the process's pipelining connection."""
        self._valkey = valkey

    async def keep(self, key: SessionKey) -> Verdict:
        """Who is it, and do they hold a seat? Keeps it, or takes a free one. One round trip (seat rules 1 and 4)."""
        return _verdict(await self._valkey.run(_KEEP, key.keys, key.arguments))

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
    ) -> Taken | Full | Reread:
        """A seat for a sign-in (seat rules 3, 6, 7, 12). `replace` is a session and its user; `alive` are the user's own in PostgreSQL.

        The seat is given up after 10 seconds unless `open` confirms it. Raises Unavailable for up to 5 seconds after Redis
        forgot, while seats are kept for those who were at work.
        """
        replaced, replaced_user = replace or (None, None)
        answer = await self._valkey.run(
            _TAKE,
            (*_account_keys(account_id), _user_key(account_id, user_id), _user_key(account_id, replaced_user or user_id)),
            (
                user_id.hex,
                session_id.hex,
                unit,
                sessions_per_user,
                replaced.hex if replaced else "",
                replaced_user.hex if replaced_user else "",
                UNCONFIRMED_MS,
                *(session.hex for session in alive),
            ),
        )
        match answer[0]:
            case b"ok":
                return Taken(answer[1].decode(), [UUID(item.decode()) for item in answer[2:]])
            case b"full":
                return Full(in_use=answer[1], seats=answer[2])
            case b"reserved":
                raise Unavailable(retry_after=max(1, -(-answer[1] // 1000)))
            case _:
                return "reread"

    async def open(self, how: Literal["open", "restore", "refresh"], copy: HotCopy, *, epoch: str) -> Verdict:
        """Write a session's hot copy, labelled with the epoch that was read before its facts were, and seat it if there is room."""
        lives = max(1, int((copy.expires_at - datetime.now(UTC)).total_seconds()) + 60)
        return _verdict(
            await self._valkey.run(
                _OPEN,
                (
                    *_account_keys(copy.account_id),
                    _copy_key(copy.account_id, copy.session_id),
                    _user_key(copy.account_id, copy.user_id),
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
                ),
            )
        )

    async def end(self, account_id: UUID, *, user_id: UUID, session_id: UUID, why: str, remember: int) -> None:
        """The session is over and its seat is free at once; its token is told why for `remember` seconds."""
        await self._valkey.run(
            _END,
            (*_account_keys(account_id), _copy_key(account_id, session_id), _user_key(account_id, user_id)),
            (session_id.hex, user_id.hex, why, remember),
        )

    async def epoch(self, account_id: UUID) -> str:
        """The account's epoch. Read it before the facts that it will label."""
        answer: bytes = await self._valkey.run(_EPOCH, _account_keys(account_id)[:1], ())
        return answer.decode()

    async def load_policy(self, account_id: UUID, policy: Policy, *, epoch: str, alive: int) -> None:
        """The policy as PostgreSQL had it at `epoch`. `alive` sessions have seats kept for a moment if Redis had forgotten them."""
        arguments = (epoch, policy.seats, _ms(policy.idle), alive, RESERVED_MS, _ms(policy.holds_for), _ms(policy.utc_offset))
        await self._valkey.run(_LOAD, _account_keys(account_id)[:1], arguments)

    async def announce(self, account_id: UUID, change: str) -> None:
        """A change is about to be committed."""
        await self._valkey.run(_ANNOUNCE, _account_keys(account_id)[:2], (change, GIVEN_UP_MS))

    async def settle(self, account_id: UUID, change: str, *, raised: bool) -> None:
        """The change is committed (`raised`: rights, statuses or licence differ now), or it was rolled back."""
        await self._valkey.run(_SETTLE, _account_keys(account_id)[:2], (change, "raise" if raised else "keep"))

    async def presence(self, account_id: UUID) -> Presence:
        """Last requests and leases of the account; for lists that people look at, not for decisions."""
        _, _, holders, sessions, *_ = _account_keys(account_id)
        seen = await self._valkey.call(b"ZRANGE", sessions, 0, -1, b"WITHSCORES")
        leases = await self._valkey.call(b"ZRANGE", holders, 0, -1, b"WITHSCORES")
        return Presence(_times(seen), _times(leases))

    async def in_use_of(self, account_ids: Sequence[UUID]) -> list[int]:
        """Seats that are held now in each of these accounts, in their order; as `presence`, for lists. One shared write."""
        after = b"(%d" % int(datetime.now(UTC).timestamp() * 1000)
        calls = (self._valkey.call(b"ZCOUNT", _account_keys(account_id)[2], after, b"+inf") for account_id in account_ids)
        return list(await asyncio.gather(*calls))

    async def figures(self, account_id: UUID) -> Figures | None:
        """What was counted of the account since Redis began to, up to this moment; None when nothing was."""
        answer = await self._valkey.run(_FIGURES, _account_keys(account_id)[:5], ("read",))
        if not answer:
            return None
        fields = {name.decode(): value.decode() for name, value in zip(answer[1][::2], answer[1][1::2], strict=True)}
        return Figures(today=_day(answer[0]), life=fields.pop("life", ""), by_day=_by_day(fields))

    async def forget_figures(self, account_id: UUID, days: Sequence[date]) -> None:
        """Drop days that are written down elsewhere; the present one and the one before it stay."""
        numbers = [(day - _FIRST_DAY).days for day in days]
        await self._valkey.run(_FIGURES, _account_keys(account_id)[:5], ("forget", *numbers))


def _by_day(fields: dict[str, str]) -> dict[date, dict[str, int]]:
    found: dict[date, dict[str, int]] = {}
    for name, value in fields.items():
        day, _, what = name.partition(":")
        found.setdefault(_day(int(day)), {})[what] = int(value)
    return found


def _day(number: int) -> date:
    return _FIRST_DAY + timedelta(days=number)


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _verdict(answer: Any) -> Verdict:
    match answer[0]:
        case b"ok":
            return Seated(answer[1], int(answer[2]))
        case b"full":
            return Full(in_use=int(answer[2]), seats=int(answer[3]), blob=answer[1])
        case b"gone":
            return Gone(answer[1].decode())
        case _:
            return "reread"


@lru_cache(maxsize=4096)
def _account_keys(account_id: UUID) -> tuple[bytes, ...]:
    # In the order in which `shared.lua` names them.
    tag = b"{" + account_id.hex.encode() + b"}"
    return tuple(kind + tag for kind in (b"p:", b"c:", b"h:", b"n:", b"d:", b"w:", b"v:"))


def _copy_key(account_id: UUID, session_id: UUID) -> bytes:
    return b"s:{%b}:%b" % (account_id.hex.encode(), session_id.hex.encode())


def _user_key(account_id: UUID, user_id: UUID) -> bytes:
    return b"u:{%b}:%b" % (account_id.hex.encode(), user_id.hex.encode())


def _times(pairs: list[bytes]) -> dict[UUID, datetime]:
    return {
        UUID(member.decode()): datetime.fromtimestamp(float(score) / 1000, UTC)
        for member, score in zip(pairs[::2], pairs[1::2], strict=True)
    }
