"""The same events sent again and again to several processes, one of which is killed meanwhile: each is one line, and none is lost.

`python -m tests.faults.repeated_events --rounds 20`
"""

import asyncio
import random
from typing import Any
from uuid import uuid4

import click
import httpx

from tenants.api_keys import KeyScope, create_key
from tenants.house import House
from tests import make
from tests.api import Api
from tests.faults.processes import Process, Stage, Violation, stage
from tests.make import Company

EVENTS, SENDERS, SIZE = 300, 12, 50
_LINES = """
SELECT count(*), count(DISTINCT a.target_id),
       (SELECT count(*) FROM activity_keys k WHERE k.account_id = $1) AS keys
  FROM activity a WHERE a.account_id = $1 AND a.event = 'document.sent'
"""


async def repeated_events(on: Stage, *, rounds: int) -> str:
    """Raises Violation; returns the result in one line."""
    again = 0
    async with on.house() as house, on.callers() as apis:
        company = await make.company(house, f"Repeats {uuid4().hex[:8]}", staff=0)
        key = await _key(house, on, company)
        for number in range(1, rounds + 1):
            sent = [_event(f"{number}-{turn}") for turn in range(EVENTS)]
            senders = [asyncio.create_task(_send_all(apis, key, sent)) for _ in range(SENDERS)]
            await _die_and_return(on, on.apis[number % len(on.apis)])
            outcomes = await asyncio.gather(*senders)
            again += sum(resent for resent, _ in outcomes)
            await _check(on, company, number * EVENTS)
            if (accepted := sum(taken for _, taken in outcomes)) > EVENTS:
                raise Violation(f"{accepted} of {EVENTS} events were said to be written")
    return (
        f"R: {rounds} rounds of {EVENTS} events, each sent {SENDERS} times in batches of {SIZE} to {len(apis)} processes, one of "
        f"them killed: each is one line; {again} batches were sent again"
    )


async def _die_and_return(on: Stage, process: Process) -> None:
    await asyncio.sleep(random.uniform(0.01, 0.3))
    on.kill_api(process)
    await asyncio.to_thread(on.start_api_again, process)


async def _send_all(apis: list[Api], key: str, events: list[dict[str, Any]]) -> tuple[int, int]:
    """Batches sent again, and events that were said to be written."""
    again = taken = 0
    mine = random.sample(events, len(events))
    for start in range(0, len(mine), SIZE):
        while (answer := await _send(random.choice(apis), key, mine[start : start + SIZE])) is None:
            again += 1
            await asyncio.sleep(0.05)
        taken += answer["accepted"]
        if answer["accepted"] + answer["duplicates"] != SIZE:
            raise Violation(f"a batch of {SIZE} was answered {answer}")
    return again, taken


async def _send(api: Api, key: str, events: list[dict[str, Any]]) -> dict[str, int] | None:
    # None where nobody knows what became of it: the application then sends it again.
    try:
        answer = await api.post("/activity", {"events": events}, by=key)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    if answer.status_code != 202:
        raise Violation(f"a batch was answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, int] = answer.json()
    return found


async def _check(on: Stage, company: Company, expected: int) -> None:
    [found] = await on.ask(_LINES, company.account_id)
    if set(found) != {expected}:
        raise Violation(f"{found[0]} lines of {found[1]} events, and {found[2]} keys, where there should be {expected} of each")


async def _key(house: House, on: Stage, company: Company) -> str:
    await on.ask("UPDATE accounts SET activity_documents = 'kept' WHERE id = $1", company.account_id)
    ada = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        made = await create_key(session, house.signer, ada, name="Repeats", scopes=[KeyScope.ACTIVITY_WRITE])
    return made.text


def _event(name: str) -> dict[str, Any]:
    return {"action": "document.sent", "target": {"type": "invoice", "id": name, "label": f"Invoice {name}"}, "key": name}


@click.command()
@click.option("--rounds", default=20, show_default=True)
@click.option("--apis", default=4, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    with stage(apis=apis) as on:
        click.echo(asyncio.run(repeated_events(on, rounds=rounds)))


if __name__ == "__main__":
    main()
