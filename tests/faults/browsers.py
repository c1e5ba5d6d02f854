"""Browsers of people: each signs in, works, is refused, waits, and writes down what it was answered."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.api import Api
from tests.faults.seat_checks import Unit
from tests.faults.seat_record import Asked, Record
from tests.make import Company, Person

#: What any call may be answered: a process that is too busy, or is being killed, says so.
ALWAYS = frozenset({503})


@dataclass
class Pool:
    """A company and what is written down of it."""

    company: Company
    unit: Unit
    sessions_per_user: int
    record: Record


class Reply(NamedTuple):
    """An answer, or None when the process died meanwhile; and when the call began and ended."""

    answer: httpx.Response | None
    began: float
    ended: float

    @property
    def status(self) -> int:
        """0 without an answer."""
        return self.answer.status_code if self.answer is not None else 0

    def json(self) -> Any:
        """The body of an answer that was there."""
        assert self.answer is not None
        return self.answer.json()


@dataclass
class Town:
    """All pools, the processes that are up, and what must not have been answered."""

    apis: list[Api]
    pools: list[Pool]
    answers: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    #: What browsers that listen were told, by kind.
    told: Counter[str] = field(default_factory=Counter)
    down: set[int] = field(default_factory=set)

    @property
    def any_api(self) -> Api:
        """A process that is up, as far as is known."""
        return random.choice([api for number, api in enumerate(self.apis) if number not in self.down])

    def note(self, what: str, status: int, *, expected: set[int], said: str = "") -> None:
        """An answer, and whether it may be."""
        self.answers[f"{what} {status}"] += 1
        if status not in expected | ALWAYS:
            self.broken[f"{what} was answered {status}: {said[:200]}"] += 1

    async def call(self, what: str, method: str, path: str, *, expected: set[int], **extra: Any) -> Reply:
        """A call through any process that is up."""
        began = time.monotonic()
        try:
            answer = await self.any_api.call(method, path, **extra)
        except httpx.TransportError:
            self.answers[f"{what} -"] += 1
            return Reply(None, began, time.monotonic())
        self.note(what, answer.status_code, expected=expected, said=answer.text)
        return Reply(answer, began, time.monotonic())


class Browser:
    """One browser of one person, who may belong to several companies."""

    def __init__(self, town: Town, places: list[tuple[Pool, Person]]) -> None:
        """Nobody is signed in yet."""
        self.town, self.places = town, places
        self.pool, self.person = places[0]
        self.token = self.session = self.kind = self.ticket = self.page = ""
        self.refusal: dict[str, Any] = {}
        self.sends_heartbeats = False

    @property
    def user(self) -> str:
        """The person's id in the present company."""
        return self.person.user_id.hex

    @property
    def record(self) -> Record:
        """What is written down of the present company."""
        return self.pool.record

    @property
    def administers(self) -> bool:
        """Whether the person may end sessions and suspend people."""
        return self.person.role == "administrator"

    def choose_place(self) -> None:
        """Any of the person's companies."""
        self.pool, self.person = random.choice(self.places)

    def note(self, reply: Reply) -> Asked:
        """The call as it is written down."""
        return Asked(self.user, self.session, reply.began, reply.ended)

    def leave(self) -> None:
        """No session is known here any more; the server is told nothing."""
        self.token = self.session = self.kind = self.ticket = ""
        self.refusal = {}

    def leave_session(self) -> None:
        """The present session is left alone; what the refusal said is kept."""
        self.token = self.session = self.kind = ""

    async def call(self, what: str, method: str, path: str, *, expected: set[int], **extra: Any) -> Reply:
        """A call with the present session."""
        return await self.town.call(what, method, path, expected=expected, by=self.token, **extra)

    async def sign_in(self, **extra: Any) -> bool:
        """By password, or by ticket when it is named. Returns whether there is a session now."""
        body = {"email": self.person.email, "password": self.person.password, "account": self.pool.company.slug}
        if "ticket" in extra:
            body = {}
        plain = self.person.role == "user" and extra.keys() <= {"ticket"} and not self.record.has_session(self.user)
        reply = await self.town.call("sign-in", "POST", "/login", expected={201, 401, 403, 404, 409}, json={**body, **extra})
        self.record.disturb(self.user, reply.began, reply.ended, answered=reply.status != 0)
        victim = self.record.alive.get(extra.get("replace_session", "").replace("-", ""))
        if victim is not None:
            self.record.disturb(victim, reply.began, reply.ended, answered=reply.status != 0)
        if reply.status == 201:
            self._entered(reply, plain=plain)
        elif reply.status == 409:
            self.session = ""
            self.refused(reply)
        elif reply.status == 0:
            self.record.unclear.add(self.user)
        if reply.status not in {201, 409}:
            self.leave()
        return reply.status == 201

    async def switch(self, pool: Pool, person: Person) -> None:
        """Go on in another of the person's companies."""
        reply = await self.call(
            "switch", "POST", "/session/switch", expected={201, 401, 403, 404, 409}, json={"account": pool.company.slug}
        )
        for user, record in ((self.user, self.record), (person.user_id.hex, pool.record)):
            record.disturb(user, reply.began, reply.ended, answered=reply.status != 0)
        if reply.status == 201:
            self.record.closed(self.session)
            self.pool, self.person = pool, person
            self._entered(reply, plain=False)
        elif reply.status == 0:
            pool.record.unclear.add(person.user_id.hex)
            self.record.unclear.add(self.user)

    def refused(self, reply: Reply) -> None:
        """Every seat is taken: keep the ticket and the choices."""
        body = reply.json()
        if body["code"] != "seats_full":
            self.leave()
            return
        self.record.refused.append(self.note(reply))
        self.refusal, self.ticket = body, body["ticket"] or ""

    def _entered(self, reply: Reply, *, plain: bool) -> None:
        body = reply.json()
        self.token, self.session, self.kind = body["token"], _hex(body["session"]["id"]), body["seat"]["kind"]
        self.refusal, self.ticket = {}, ""
        for one in body["ended"]:
            user = self.record.alive.get(_hex(one["session_id"]))
            if user is not None:
                self.record.disturb(user, reply.began, reply.ended)
            self.record.closed(_hex(one["session_id"]))
        self.record.opened(self.session, self.user, self.token)
        if plain and self.kind == "pool":
            self.record.entered.append(self.note(reply))


def _hex(uuid: str) -> str:
    return uuid.replace("-", "")
