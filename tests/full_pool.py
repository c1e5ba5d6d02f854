"""What tests of a full pool say again and again: a ticket, a page that is there, time that goes by, and what the history shows."""

from typing import Any

import httpx
from sqlalchemy import select

from tenants.activity import Activity
from tenants.house import House
from tests import aging
from tests.api import Api
from tests.make import Company, Person


async def ticket_of(api: Api, person: Person, **extra: Any) -> str:
    """The ticket of somebody whose password is right, and who finds no seat."""
    answer = await api.sign_in(person, **extra)
    assert (answer.status_code, answer.json()["code"]) == (409, "seats_full"), answer.text
    return str(answer.json()["ticket"])


async def enters(api: Api, person: Person, ticket: str) -> int:
    """The status of signing in with a ticket; the token is remembered."""
    answer = await api.post("/login", {"ticket": ticket})
    if answer.status_code == 201:
        api.tokens[person.email] = answer.json()["token"]
    return answer.status_code


async def works(api: Api, person: Person) -> int:
    """The status of a request with the person's session."""
    return (await api.get("/session", by=person)).status_code


async def beat(api: Api, person: Person | str, page: str = "p1", *, closing: bool = False) -> None:
    """A page of the person's browser is there, or was closed."""
    answer = await api.post("/session/heartbeat", {"page": page, "closing": closing}, by=person)
    assert answer.status_code == 204, answer.text


async def let_pass(house: House, company: Company, seconds: float) -> None:
    """So much time goes by for the company's seats."""
    await aging.pass_time(house.valkey, company.account_id, seconds)


async def in_use(house: House, company: Company) -> int:
    """Seats of the pool that are held."""
    return (await house.seats.presence(company.account_id)).in_use


async def change_account(api: Api, company: Company, **wanted: Any) -> None:
    """Its administrator changes settings, and signs out."""
    await api.sign_in(company.administrator)
    answer = await api.patch("/account", wanted, by=company.administrator)
    assert answer.status_code == 200, answer.text
    await api.delete("/session", by=company.administrator)


async def history(house: House, company: Company, event: str) -> list[tuple[str | None, str | None, dict[str, Any]]]:
    """Lines of an event, oldest first: who did it, to whom, and the facts."""
    await house.finish()
    async with house.database.transaction(company.account_id) as session:
        lines = await session.scalars(select(Activity).where(Activity.event == event).order_by(Activity.at, Activity.id))
        return [(line.actor_name, line.target_label, line.facts) for line in lines]


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and state of a refusal."""
    document = answer.json()
    return answer.status_code, document["code"], document.get("state")


async def waits(api: Api, person: Person) -> str:
    """Find no seat, and stand in line: the ticket."""
    ticket = await ticket_of(api, person)
    answer = await api.post("/seats/queue", {"ticket": ticket})
    assert answer.status_code == 201, answer.text
    return ticket


async def look_at_line(api: Api, ticket: str) -> httpx.Response:
    """Where the ticket's holder stands; and a sign of life of theirs."""
    return await api.get("/seats/queue", params={"ticket": ticket})


async def is_offered(api: Api, ticket: str) -> bool:
    """Whether a seat is held for somebody who waits."""
    answer = await look_at_line(api, ticket)
    assert answer.status_code == 200, answer.text
    return answer.json()["offered_until"] is not None


async def ask(api: Api, ticket: str, holder: Person | None = None) -> httpx.Response:
    """Ask one colleague for their seat, by the session that the refusal names, or everybody."""
    session = None
    if holder is not None:
        session = (await api.get("/session", by=holder)).json()["session"]["id"]
    return await api.post("/seats/handovers", {"ticket": ticket, "session_id": session})


async def asks(api: Api, ticket: str, holder: Person | None = None) -> dict[str, Any]:
    """The same, where somebody can be asked: the hand-over."""
    answer = await ask(api, ticket, holder)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def questions(api: Api, holder: Person | str) -> list[dict[str, Any]]:
    """What a holder is asked."""
    answer = await api.get("/seats/handovers", by=holder)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def says(api: Api, holder: Person | str, handover: dict[str, Any], answer: str) -> httpx.Response:
    """A holder answers."""
    return await api.post(f"/seats/handovers/{handover['id']}/answer", {"answer": answer}, by=holder)
