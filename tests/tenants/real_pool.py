"""The real scripts in a real Valkey, by a clock that the test moves: nothing else about them is changed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tenants.seat_keys import account_keys, script, session_key
from tenants.seat_verdicts import Befallen, Full, Gone, HotCopy, Policy, Promoted, Seated, Soon, Taken, Wanted, befallen_of
from tenants.seats import Seats
from tenants.valkey import Script, Valkey
from tests.tenants.seat_model import Answer, Session, Terms

_LINE, _HANDOVER = script("line"), script("handover")
# What the scripts ask the server for the time is answered by the test; every other command goes to the server.
_CLOCK = """
local server = redis
local redis = setmetatable({ call = function(name, ...)
  if name ~= 'TIME' then return server.call(name, ...) end
  local at = tonumber(server.call('GET', 'clock'))
  return { string.format('%.0f', math.floor(at / 1000)), string.format('%.0f', at % 1000 * 1000) }
end }, { __index = server })
"""
_STATE = Script("""
local found = {}
for i = 1, #KEYS - 1 do found[i] = redis.call('ZRANGE', KEYS[i], 0, -1, 'WITHSCORES') end
return { found, redis.call('HGETALL', KEYS[#KEYS]) }
""")
_DIGEST = b"d" * 32


class ClockedValkey(Valkey):
    """Scripts that run on it see the time that it was given, in milliseconds."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.now = 0
        self._clocked: dict[bytes, Script] = {}

    async def run(self, script: Script, keys: Any, arguments: Any) -> Any:
        """The script, by the test's clock."""
        if script.digest not in self._clocked:
            self._clocked[script.digest] = Script(_CLOCK + script.text.decode())
        await self.call(b"SET", b"clock", self.now)
        return await super().run(self._clocked[script.digest], keys, arguments)


class RealPool:
    """One account's pool, called as sign-in, requests and pages call it; its answers are put as the model's."""

    def __init__(self, valkey: ClockedValkey) -> None:
        self.valkey = valkey
        self.account_id = uuid4()
        self.keys = account_keys(self.account_id)
        self.befallen: list[tuple[UUID, str, UUID]] = []
        self.seats = Seats(valkey)
        self.seats.witness = self._saw
        self._expires_at = datetime.now(UTC) + timedelta(days=30)

    def _saw(self, _: UUID, befallen: tuple[Befallen, ...]) -> None:
        self.befallen += [(each.holder, each.why, each.user_id) for each in befallen]

    async def load(self, terms: Terms, *, reread: bool) -> None:
        """New terms, as after a commit that changed them; with `reread`, every hot copy is out of date."""
        if reread:
            await self.seats.announce(self.account_id, "change")
            await self.seats.settle(self.account_id, "change", raised=True)
        policy = Policy(
            terms.seats,
            timedelta(milliseconds=terms.idle),
            holds_for=timedelta(days=300),
            utc_offset=timedelta(0),
            reclaim=timedelta(milliseconds=terms.reclaim) if terms.reclaim else None,
            accountants=terms.accountants,
        )
        await self.seats.load_policy(self.account_id, policy, epoch=await self._epoch(), alive=0)

    async def _epoch(self) -> str:
        return await self.seats.epoch(self.account_id)

    async def take(
        self, user: UUID, new: UUID, *, by_user: bool, limit: int, alive: list[UUID], replaced: Session | None, wanted: Wanted
    ) -> Answer:
        """A sign-in asks for a seat."""
        found = await self.seats.take(
            self.account_id,
            user_id=user,
            session_id=new,
            unit="user" if by_user else "session",
            sessions_per_user=limit,
            alive=alive,
            replace=(replaced.id, replaced.user) if replaced else None,
            wanted=wanted,
        )
        match found:
            case Taken():
                return "ok", found.kind, found.ended
            case Full():
                return "full", found.in_use, found.seats, found.held
            case Soon():
                return "soon", round(found.seconds * 1000)
        raise AssertionError(found)

    async def open(self, session: Session, *, how: Any = "restore") -> Answer:
        """Write the hot copy, as after a sign-in (`open`) or a look at PostgreSQL."""
        copy = HotCopy(
            self.account_id,
            session.id,
            session.user,
            session.holder,
            _DIGEST,
            b"{}",
            self._expires_at,
            session.wanted,  # type: ignore[arg-type]  # the model has its own words for the same three
        )
        return _said(await self.seats.open(how, copy, epoch=await self._epoch()))

    async def request(self, session: Session) -> Answer:
        """As the door finds a session: by its hot copy, or read again."""
        found = await self.seats.keep(session_key(self.account_id, session.id, _DIGEST))
        if isinstance(found, Promoted):
            session.wanted = "pool"
            found = "reread"
        return await self.open(session) if found == "reread" else _said(found)

    async def beat(self, session: Session, what: Any, page: str) -> Answer:
        """A page says that it is there, or that it is not any more."""
        key = session_key(self.account_id, session.id, _DIGEST)
        found = await self.seats.beat(key, what, page)
        if found == "reread":
            await self.open(session, how="look")
            found = await self.seats.beat(key, what, page)
        return _said(found)[:1] if isinstance(found, Seated) else _said(found)

    async def end(self, session: Session, why: str, heir: Session | None = None) -> None:
        """A session is over."""
        await self.seats.end(
            self.account_id,
            user_id=session.user,
            session_id=session.id,
            why=why,
            remember=1000,
            heir=heir.holder if heir else None,
        )

    async def line(self, what: str, user: UUID | None = None) -> Answer:
        """Waiting: join, see, leave, list, clear."""
        match await self._run(_LINE, what, user.hex if user else ""):
            case [b"place", ahead, held, _, _]:
                return "place", ahead, int(held)
            case [b"all", found, _]:
                return "all", [(UUID(found[i].decode()), int(found[i + 1]), int(found[i + 2])) for i in range(0, len(found), 3)]
            case [b"cleared", found, _]:
                return "cleared", [UUID(each.decode()) for each in found]
            case [b"none", _]:
                return ("none",)
            case other:
                raise AssertionError(other)

    async def ask(self, user: UUID, new: UUID, own: list[UUID], wanted: UUID | None) -> Answer:
        """Ask one holder for their seat, or everybody."""
        owned = (each.hex for each in own)
        return _handover(await self._run(_HANDOVER, "ask", new.hex, user.hex, "Someone", *owned, wanted.hex if wanted else ""))

    async def handover(self, what: str, which: UUID, user: UUID, *more: str) -> Answer:
        """See, withdraw or answer one."""
        return _handover(await self._run(_HANDOVER, what, which.hex, user.hex, *more))

    async def questions(self, holder: UUID) -> list[tuple[UUID, int, bool]]:
        """What a holder is asked."""
        _, found, _ = await self._run(_HANDOVER, "asked", holder.hex, holder.hex)
        said = [(UUID(found[i].decode()), json.loads(found[i + 1])) for i in range(0, len(found), 2)]
        return [(which, facts["at"], facts["again"]) for which, facts in said]

    async def _run(self, script: Script, *arguments: str) -> Any:
        answer = await self.seats.run(script, self.keys, arguments)
        self.seats.saw(self.account_id, befallen_of(answer[-1]))
        return answer

    async def state(self) -> tuple[list[dict[UUID, int]], dict[UUID, Answer]]:
        """Leases of the pool and of the allowance, the line, last looks, offers, rights to return, by when; and every hand-over."""
        chosen = [self.keys["pchndwvbloiqzakjmer".index(kind)] for kind in "hiqzakj"]
        moments, asks = await Valkey.run(self.valkey, _STATE, chosen, ())
        found = [{UUID(each[i].decode()): int(float(each[i + 1])) for i in range(0, len(each), 2)} for each in moments]
        return found, {UUID(asks[i].decode()): _shown(asks[i + 1]) for i in range(0, len(asks), 2)}


def _said(verdict: Any) -> Answer:
    match verdict:
        case Seated():
            return "ok", verdict.kind
        case Full():
            return "full", verdict.in_use, verdict.seats, verdict.held
        case Gone():
            return "gone", verdict.why
    raise AssertionError(verdict)


def _handover(answer: Any) -> Answer:
    match answer:
        case [b"handover", which, text, _]:
            return "handover", UUID(which.decode()), *_shown(text)
        case [b"refused", why, wait, _]:
            return "refused", why.decode(), wait
        case [b"none", _]:
            return ("none",)
    raise AssertionError(answer)


def _shown(text: bytes) -> Answer:
    ask = json.loads(text)
    return ask["state"], ask.get("until"), [(UUID(each["m"]), each["s"], each["t"], each["n"]) for each in ask["to"]]
