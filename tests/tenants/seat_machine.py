"""`python -m tests.tenants.seat_machine --runs 5000`: random lives of an account, the real scripts and the model side by side."""

import asyncio
import tempfile
import time
from pathlib import Path
from uuid import UUID

import click
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from service.embedded import EmbeddedServers
from tests.tenants.both_pools import USERS, BothPools
from tests.tenants.pool_model import Pool
from tests.tenants.real_pool import ClockedValkey
from tests.tenants.seat_model import MINUTE, SECOND, Answer, Session, Terms

#: Time passes by these steps, or to just before, at, or just after the next moment at which something changes.
STEPS = [SECOND, 2 * SECOND, 9 * SECOND, 20 * SECOND, 45 * SECOND, 61 * SECOND, 91 * SECOND, 4 * MINUTE, 16 * MINUTE]

people = st.sampled_from(USERS)
which = st.integers(0, 7)
pages = st.sampled_from(["one", "two"])
terms = st.builds(
    Terms,
    seats=st.sampled_from([1, 1, 2, 2, 3]),
    idle=st.sampled_from([5 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE]),
    reclaim=st.sampled_from([0, 0, 5 * MINUTE, 15 * MINUTE]),
    accountants=st.sampled_from([0, 1, 1, 2]),
)


class SeatMachine(BothPools):
    """Every rule is one thing that somebody does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, valkey: ClockedValkey) -> None:
        super().__init__(loop, valkey)
        self.pending: list[tuple[Session, dict[UUID, str]]] = []
        self.asked: list[tuple[UUID, UUID]] = []

    @initialize(
        terms=terms,
        by_user=st.booleans(),
        limit=st.integers(1, 3),
        morning=st.sampled_from(["empty", *["full", "wait", "ask"] * 2]),
    )
    def begin(self, terms: Terms, by_user: bool, limit: int, morning: str) -> None:
        self.limit = limit
        self.pool = Pool(terms, by_user, now=int(time.time()) * 1000)
        self.load(terms, reread=False)
        self.over = self.over_allowance = 0
        if morning != "empty":
            self._fill(morning)

    def _fill(self, morning: str) -> None:
        # Most of what is worth seeing happens once every seat is taken.
        seats = self.pool.terms.seats
        for user in USERS[:seats]:
            self.sign_in(user)
        if morning == "wait":
            self.join(USERS[seats])
        if morning == "ask":
            self.pool.now += min(6 * MINUTE, self.pool.terms.idle - 2 * MINUTE)
            self.ask(USERS[seats], None)

    # --- signing in and out ------------------------------------------------------------------------------------------------------

    @rule(user=people)
    def sign_in(self, user: UUID) -> None:
        session, why = self.take(user, replaced=None, management=False)
        if session is not None:
            self.confirm(session, why)

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(user=people, of=which, management=st.booleans())
    def sign_in_instead_of(self, user: UUID, of: int, management: bool) -> None:
        session, why = self.take(user, replaced=self.live(of), management=management)
        if session is not None:
            self.confirm(session, why)

    @rule(user=st.sampled_from(USERS[:2]))
    def sign_in_to_manage(self, user: UUID) -> None:
        session, why = self.take(user, replaced=None, management=True)
        if session is not None:
            self.confirm(session, why)

    @rule(user=people, again=st.booleans())
    def begin_to_sign_in(self, user: UUID, again: bool) -> None:
        session, why = self.take(user, replaced=None, management=False)
        if session is not None and again:
            self.pending.append((session, why))

    @precondition(lambda self: self.pending)
    @rule(of=which, begins=st.booleans())
    def finish_to_sign_in(self, of: int, begins: bool) -> None:
        session, why = self.pending.pop(of % len(self.pending))
        if begins:
            self.confirm(session, why)
        else:
            self.end(session, "never_began")

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which, why=st.sampled_from(["signed_out", "ended_by_administrator", "ended_for_room", "switched", "suspended"]))
    def end_one(self, of: int, why: str) -> None:
        self.end(self.live(of), why)

    @precondition(lambda self: any(s.lives and s.wanted == "management" for s in self.pool.sessions.values()))
    @rule(of=which)
    def end_one_to_take_its_seat(self, of: int) -> None:
        manager = next(s for s in self.pool.sessions.values() if s.lives and s.wanted == "management")
        other = self.live(of)
        self.ask_for(manager)
        if manager.wanted == "management" and other.user != manager.user:
            self.end(other, "ended_for_room", manager)
            self.ask_for(manager)

    # --- being there -------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which)
    def request(self, of: int) -> None:
        self.ask_for(self.live(of))

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which, page=pages)
    def beat(self, of: int, page: str) -> None:
        session = self.live(of)
        self.do(self.real.beat(session, "beat", page), lambda: self.pool.beat(session, page))
        self.heard[session.id] = self.pool.now

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which, page=st.sampled_from(["one", "two", ""]))
    def close(self, of: int, page: str) -> None:
        session = self.live(of)
        self.do(self.real.beat(session, "close", page), lambda: self.pool.close(session, page))
        if not session.pages:
            self.heard.pop(session.id, None)

    # --- waiting -----------------------------------------------------------------------------------------------------------------

    def waits(self, user: UUID) -> bool:
        return not (self.pool.by_user and self.pool.zone_of(user))

    @rule(user=people)
    def join(self, user: UUID) -> None:
        if self.waits(user):
            self.do(self.real.line("join", user), lambda: self.pool.join(user))

    @rule(user=people)
    def look(self, user: UUID) -> None:
        self.do(self.real.line("see", user), lambda: self.pool.look(user))

    @precondition(lambda self: self.pool.line)
    @rule(user=people)
    def leave(self, user: UUID) -> None:
        self.do(self.real.line("leave", user), lambda: self.pool.leave(user))

    @precondition(lambda self: self.pool.line)
    @rule()
    def see_everybody(self) -> None:
        self.do(self.real.line("list"), self.pool.everybody)

    @precondition(lambda self: len(self.pool.line) > 1)
    @rule(user=st.one_of(st.none(), people))
    def send_away(self, user: UUID | None) -> None:
        self.do(self.real.line("clear", user), lambda: self.pool.clear(user))

    # --- asking a colleague ------------------------------------------------------------------------------------------------------

    @rule(user=people, of=st.one_of(st.none(), which))
    def ask(self, user: UUID, of: int | None) -> None:
        if not self.waits(user):
            return
        self.made += 1
        new = UUID(int=self.made)
        lives = [s for s in self.pool.sessions.values() if s.lives]
        own = [user] if self.pool.by_user else [s.id for s in lives if s.user == user]
        wanted = lives[of % len(lives)].holder if of is not None and lives else None
        said = self.do(self.real.ask(user, new, own, wanted), lambda: self.pool.ask(user, new, own, wanted))
        if said[0] == "handover" and (user, new) == (user, said[1]):
            self.asked.append((user, new))

    @precondition(lambda self: self.asked)
    @rule(of=which, withdraws=st.integers(0, 5))
    def see_what_comes_of_it(self, of: int, withdraws: int) -> None:
        user, ask = self.asked[of % len(self.asked)]
        if withdraws == 0:
            # What was withdrawn is answered as it was seen before.
            self.do(self._shown(ask, user), lambda: self.pool.withdraw(user, ask)[:2])
        else:
            self.do(self.real.handover("see", ask, user), lambda: self.pool.see(user, ask))

    async def _shown(self, ask: UUID, user: UUID) -> Answer:
        return (await self.real.handover("withdraw", ask, user))[:2]

    @precondition(lambda self: self.asked and any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which, by=which, reply=st.sampled_from(["release", "release", "later", "no"]))
    def answer(self, of: int, by: int, reply: str) -> None:
        _, ask = self.asked[of % len(self.asked)]
        asked = self.pool.asks[ask].to if ask in self.pool.asks else []
        holder = asked[by % len(asked)].holder if asked else self.live(by).holder
        self.do(self.real.handover("answer", ask, holder, holder.hex, reply), lambda: self.pool.answer(holder, ask, reply))

    @precondition(lambda self: any(s.lives for s in self.pool.sessions.values()))
    @rule(of=which)
    def questions(self, of: int) -> None:
        holder = self.live(of).holder
        self.do(self.real.questions(holder), lambda: self.pool.questions(holder))

    # --- the account, and time ---------------------------------------------------------------------------------------------------

    @rule(terms=terms, reread=st.booleans())
    def change_terms(self, terms: Terms, reread: bool) -> None:
        self.load(terms, reread=reread)

    @rule(milliseconds=st.sampled_from(STEPS))
    def pass_time(self, milliseconds: int) -> None:
        self.pool.now += milliseconds

    @rule(of=st.sampled_from([0, 0, 0, 1, 2]), off=st.sampled_from([-2, -1, 0]))
    def pass_to_what_comes_next(self, of: int, off: int) -> None:
        ahead = sorted({moment for moment in self.moments() if moment + off > self.pool.now})
        if ahead:
            # The next call comes a millisecond later: one before the moment, at it, or one after.
            self.pool.now = ahead[min(of, len(ahead) - 1)] + off


def run(url: str, *, runs: int, steps: int, by_chance: bool) -> None:
    """So many lives of so many steps. Raises AssertionError with the shortest one in which both differ."""
    loop = asyncio.new_event_loop()
    valkey = ClockedValkey(url)

    class Here(SeatMachine):
        def __init__(self) -> None:
            super().__init__(loop, valkey)

    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=not by_chance,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    try:
        run_state_machine_as_test(Here, settings=chosen)
    finally:
        loop.run_until_complete(valkey.close())
        loop.close()


@click.command()
@click.option("--runs", default=5000, show_default=True, help="How many lives.")
@click.option("--steps", default=40, show_default=True, help="Steps of each, at most.")
def main(runs: int, steps: int) -> None:
    """Live so many lives, other ones every time."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="portillon-machine-") as folder:
        servers = EmbeddedServers(Path(folder), durable=False)
        try:
            run(servers.start_redis(), runs=runs, steps=steps, by_chance=True)
        finally:
            servers.stop()
    click.echo(f"0 divergences over {runs} runs in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
