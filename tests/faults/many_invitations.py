"""Thousands of invitations in one request: soon accepted, all mailed once, and nobody else's mail waits for them.

`python -m tests.faults.many_invitations --rounds 3`
"""

import asyncio
import time
from collections import Counter
from uuid import uuid4

import click

from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.faults.processes import Stage, Violation, stage

LINES = 5_000
ACCEPTED_WITHIN = 10.0  # seconds, of the request
RESET_WITHIN = 30.0
RESETS = 3
MAILED_WITHIN = 900.0


async def invited(on: Stage, mail: MailServer, *, lines: int, timed: bool = True) -> str:
    """One file of so many lines by one account, and resets of another while it is mailed. Returns a line for the report.

    Raises Violation when a mail is lost or sent twice and, if `timed`, for a request or a reset that took too long.
    """
    word = uuid4().hex[:8]
    async with on.house() as house, on.callers() as apis:
        large = await make.company(house, f"Large {word}", staff=0)
        small = await make.company(house, f"Small {word}", staff=RESETS)
        api = apis[0]
        if (await api.sign_in(large.administrator)).status_code != 201:
            raise Violation("preparing: the administrator cannot sign in")
        people = [f"n{number}.{word}@example.com" for number in range(lines)]
        seconds = await _invite(api, large, people)
        waits = []
        for number, person in enumerate(small.staff):
            # One at the beginning, one in between, one when the last are still owed.
            await _arrived(mail, people, lines * (2 * number + 1) // (3 * RESETS))
            waits.append(await _reset(apis[-1], mail, person.email))
        await _arrived(mail, people, lines)
        copies = _copies(mail)
    if twice := [email for email in people if copies[email] > 1]:
        raise Violation(f"{len(twice)} invitations were mailed twice")
    if timed and seconds > ACCEPTED_WITHIN:
        raise Violation(f"{lines} invitations were accepted in {seconds:.1f} s, not {ACCEPTED_WITHIN:.0f}")
    if timed and max(waits) > RESET_WITHIN:
        raise Violation(f"a reset waited {max(waits):.1f} s for {lines} invitations of another account, not {RESET_WITHIN:.0f}")
    return f"batch: {lines} invitations accepted in {seconds:.1f} s, all mailed once; resets meanwhile left in at most {max(waits):.1f} s"


async def _invite(api: Api, company: make.Company, people: list[str]) -> float:
    file = "Adresse;Nom;Rôle\r\n" + "".join(f"{email};Zoé {number};Utilisateur\r\n" for number, email in enumerate(people))
    began = time.monotonic()
    answer = await api.call(
        "POST", "/users/batch", by=company.administrator, content=file.encode("cp1252"), headers={"Content-Type": "text/csv"}
    )
    seconds = time.monotonic() - began
    if answer.status_code != 200 or (answer.json()["accepted"], answer.json()["refused"]) != (len(people), []):
        raise Violation(f"the file was answered {answer.status_code}: {answer.text[:300]}")
    return seconds


async def _reset(api: Api, mail: MailServer, email: str) -> float:
    before = _copies(mail)[email]
    began = time.monotonic()
    answer = await api.post("/password-resets", {"email": email})
    if answer.status_code != 202:
        raise Violation(f"asking for a reset was answered {answer.status_code}")
    while _copies(mail)[email] == before:
        if time.monotonic() - began > 2 * RESET_WITHIN:
            raise Violation(f"a reset did not leave in {2 * RESET_WITHIN:.0f} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _arrived(mail: MailServer, people: list[str], count: int) -> None:
    """Wait until so many of the people have theirs."""
    give_up = time.monotonic() + MAILED_WITHIN
    while len(_copies(mail).keys() & set(people)) < count:
        if time.monotonic() > give_up:
            raise Violation(
                f"{len(_copies(mail).keys() & set(people))} invitations have left in {MAILED_WITHIN:.0f} s, not {count}"
            )
        await asyncio.sleep(0.1)


def _copies(mail: MailServer) -> Counter[str]:
    return Counter(recipient for _, recipients, _ in list(mail.messages) for recipient in recipients)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Files of 5,000 lines.")
@click.option("--apis", default=2, show_default=True, help="API processes.")
def main(rounds: int, apis: int) -> None:
    """Run the long form."""
    mail = MailServer()
    try:
        with stage(apis=apis, smtp_port=mail.port) as on:
            on.start_worker()
            for _ in range(rounds):
                click.echo(asyncio.run(invited(on, mail, lines=LINES)))
                mail.clear()
    finally:
        mail.stop()


if __name__ == "__main__":
    main()
