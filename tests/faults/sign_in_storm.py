"""R1: everybody signs in at once and the pool never holds one more than its cap. R7: whoever crashed gets back into a full pool.

`python -m tests.faults.sign_in_storm --rounds 20`
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import click

from tests import make
from tests.api import Api
from tests.faults.processes import Stage, Violation, stage
from tests.faults.storm_line import StormLine
from tests.faults.witnesses import Ledger, Watch
from tests.make import Company, Person

PEOPLE, SEATS, SIGN_INS = 60, 6, 500
MOST_RETRIES, MOST_BUSY = 10, 0.2


@dataclass(frozen=True, slots=True)
class Form:
    """What counts as a holder, and how many sessions one person may have.

    `humanely`: browsers send heartbeats, whoever is refused waits in line, and idle seats may be taken after a minute.
    """

    unit: str
    sessions_per_user: int
    humanely: bool = False

    def __str__(self) -> str:
        return f"{self.unit}/{self.sessions_per_user}{' humanely' if self.humanely else ''}"


FORMS = tuple(
    Form(unit, sessions_per_user, humanely)
    for humanely in (False, True)
    for unit in ("user", "session")
    for sessions_per_user in (1, 2)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A sign-in that was answered 201."""

    person: Person
    token: str
    session_id: str

    def holder(self, unit: str) -> str:
        """Who holds the seat of it."""
        return self.person.email if unit == "user" else self.session_id


async def storm(on: Stage, form: Form, *, rounds: int, sign_ins: int = SIGN_INS, people: int = PEOPLE) -> str:
    """R1. Raises Violation; returns the result in one line."""
    name = f"Storm {form} {time.monotonic_ns()}".replace("/", " ")
    async with on.house() as house, on.callers() as apis:
        company = await make.company(house, name, staff=people - 1, seats=SEATS)
        settings = {"seat_unit": form.unit, "sessions_per_user": form.sessions_per_user}
        await _settle_on(apis[0], company, **settings, reclaim_after=1 if form.humanely else None)
        answers: Counter[int] = Counter()
        waited = 0
        for number in range(1, rounds + 1):
            statuses, served = await _round(on, apis, company, number, form, sign_ins=sign_ins)
            answers, waited = answers + statuses, waited + served
    return (
        f"R1 {form}: {rounds} rounds of {sign_ins} sign-ins over {len(apis)} processes, {SEATS} seats: exactly {SEATS} each round, "
        f"never more, none leaked; {f'{waited} waited in line and were served in order; ' if waited else ''}answers {_shown(answers)}"
    )


async def return_after_crash(on: Stage, *, unit: str = "user") -> str:
    """R7, from every process. Raises Violation; returns the result in one line."""
    async with on.house() as house, on.callers() as apis:
        company = await make.company(house, f"Crash {unit} {time.monotonic_ns()}", staff=SEATS, seats=SEATS)
        await _settle_on(apis[0], company, seat_unit=unit, sessions_per_user=1)
        for person in company.people[:SEATS]:
            _must(201, await apis[0].sign_in(person), "signing in while there is room")
        tokens = {person.email: apis[0].tokens[person.email] for person in company.people[:SEATS]}
        for api in apis:
            for person in company.people[:SEATS]:
                _must(201, await api.sign_in(person), "signing in again after a crash, the pool full")
                _must(200, await api.get("/session", by=person), "working after it")
                _must(401, await api.get("/session", by=tokens[person.email]), "the session that crashed")
                tokens[person.email] = api.tokens[person.email]
                _must_hold(on, company, SEATS, "after somebody came back")
            _must(409, await api.sign_in(company.people[SEATS]), "a stranger to a full pool")
        for token in tokens.values():
            _must(204, await apis[0].delete("/session", by=token), "signing out")
        _must_hold(on, company, 0, "after everybody left")
    return f"R7 {unit}: {SEATS} people came back into a full pool from each of {len(apis)} processes; the count stayed {SEATS}"


async def _round(
    on: Stage, apis: list[Api], company: Company, number: int, form: Form, *, sign_ins: int
) -> tuple[Counter[int], int]:
    """Every status, and how many were served from the line."""
    ledger, line, began = Ledger(SEATS), StormLine(apis, SEATS), time.monotonic()
    now = _Round(form, ledger, line)
    everybody = [company.people[turn % len(company.people)] for turn in range(sign_ins)]
    random.shuffle(everybody)
    with Watch(on, {company.account_id: SEATS}) as watch:
        found = await asyncio.gather(*(_enter(apis, turn, person, now) for turn, person in enumerate(everybody)))
    answers = Counter(status for statuses, _ in found for status in statuses)
    entries = [entry for _, entry in found if entry is not None]
    took = time.monotonic() - began
    working = await _at_work(apis, entries)
    _check(on, company, form, working=working, answers=answers)
    watch.check()
    ledger.check()
    await _everybody_leaves(on, apis, company, entries)
    served = await line.is_served_in_order()
    _must_hold(on, company, 0, "after the line was served")
    click.echo(
        f"  {form} round {number}: {_shown(answers)} in {took:.1f} s; {len(working)} sessions of "
        f"{len({entry.person.email for entry in working})} people at work; at most {watch.most[company.account_id]} seats in "
        f"{watch.samples} samples, {ledger.most()} proven by answers; {served} served from the line; 0 left"
    )
    return answers, served


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round writes down."""

    form: Form
    ledger: Ledger
    line: StormLine


async def _enter(apis: list[Api], turn: int, person: Person, now: _Round) -> tuple[list[int], Entry | None]:
    """Sign in at one process, and ask another at once who one is. Returns every status."""
    statuses, answer, began = await _sign_in(apis[turn % len(apis)], person)
    if answer.status_code == 409 and now.form.humanely:
        await now.line.join(person, answer.json()["ticket"])
    if answer.status_code != 201:
        return statuses, None
    if now.form.unit == "session":
        # It may have replaced older sessions of the same person.
        for session_id in ended_by(answer):
            now.ledger.freed(session_id, began)
    entry = Entry(person, answer.json()["token"], answer.json()["session"]["id"])
    if now.form.humanely:
        await now.line.beat(entry.token)
    began = time.monotonic()
    seen = await apis[(turn + 1) % len(apis)].get("/session", by=entry.token)
    if seen.status_code == 200:
        now.ledger.served(entry.holder(now.form.unit), began)
    return statuses, entry


async def _sign_in(api: Api, person: Person) -> tuple[list[int], Any, float]:
    """Whoever is asked to come back later does. Returns every status, the last answer, and when its call began."""
    statuses: list[int] = []
    while True:
        began = time.monotonic()
        answer = await api.sign_in(person)
        statuses.append(answer.status_code)
        if answer.status_code != 503 or len(statuses) > MOST_RETRIES:
            return statuses, answer, began
        await asyncio.sleep(int(answer.headers["retry-after"]))


def ended_by(answer: Any) -> list[str]:
    """Sessions that made room for this sign-in."""
    return [one["session_id"] for one in answer.json()["ended"]]


async def _at_work(apis: list[Api], entries: list[Entry]) -> list[Entry]:
    answers = await asyncio.gather(*(apis[turn % len(apis)].get("/session", by=entry.token) for turn, entry in enumerate(entries)))
    wrong = [answer.status_code for answer in answers if answer.status_code not in {200, 401}]
    if wrong:
        raise Violation(f"somebody who had signed in was answered {wrong[0]}: neither at work nor told that it is over")
    return [entry for entry, answer in zip(entries, answers, strict=True) if answer.status_code == 200]


def _check(on: Stage, company: Company, form: Form, *, working: list[Entry], answers: Counter[int]) -> None:
    # 503 with Retry-After is how a machine says that it is too busy; a machine of its own for the experiment has none.
    if set(answers) - {201, 409, 503} or answers[503] > MOST_BUSY * answers.total():
        raise Violation(f"answers that a storm must not bring: {_shown(answers)}")
    _must_hold(on, company, SEATS, "at the end of a round")
    holders = {entry.holder(form.unit) for entry in working}
    if len(holders) != SEATS:
        raise Violation(f"{len(holders)} holders are at work at the end of a round, not {SEATS}")
    sessions: dict[str, int] = defaultdict(int)
    for entry in working:
        sessions[entry.person.email] += 1
    if max(sessions.values()) > form.sessions_per_user:
        raise Violation(f"a person has {max(sessions.values())} live sessions where {form.sessions_per_user} are allowed")


async def _everybody_leaves(on: Stage, apis: list[Api], company: Company, entries: list[Entry]) -> None:
    answers = await asyncio.gather(
        *(apis[turn % len(apis)].delete("/session", by=entry.token) for turn, entry in enumerate(entries))
    )
    wrong = [answer.status_code for answer in answers if answer.status_code not in {204, 401}]
    if wrong:
        raise Violation(f"signing out was answered {wrong[0]}")
    _must_hold(on, company, 0, "after everybody left")
    rows = await on.ask("SELECT id FROM sessions WHERE account_id = $1 AND ended_at IS NULL", company.account_id)
    if rows:
        raise Violation(f"{len(rows)} sessions are alive in PostgreSQL after everybody left")


async def _settle_on(api: Api, company: Company, **settings: Any) -> None:
    """The administrator decides what a seat is for."""
    _must(201, await api.sign_in(company.administrator), "the administrator signing in")
    _must(200, await api.patch("/account", settings, by=company.administrator), "changing the account")
    _must(204, await api.delete("/session", by=company.administrator), "the administrator signing out")


def _must(status: int, answer: Any, what: str) -> None:
    if answer.status_code != status:
        raise Violation(f"{what}: {answer.status_code}, not {status}: {answer.text[:300]}")


def _must_hold(on: Stage, company: Company, seats: int, when: str) -> None:
    with on.valkey() as client:
        held = on.held(client, company.account_id)
    if held != seats:
        raise Violation(f"{held} seats are held {when}, not {seats}")


def _shown(answers: Counter[int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))


@click.command()
@click.option("--rounds", default=20, show_default=True, help="Rounds of each form of R1.")
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long forms."""

    async def everything(on: Stage) -> None:
        for unit in ("user", "session"):
            click.echo(await return_after_crash(on, unit=unit))
        for form in FORMS:
            click.echo(await storm(on, form, rounds=rounds))

    with stage(apis=apis) as on:
        asyncio.run(everything(on))


if __name__ == "__main__":
    main()
