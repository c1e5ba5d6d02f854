"""The demo of `portillon up`: seeded once, whole or not at all, with passwords made for this installation."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.demo_accounts import Founding
from service.demo_history import History
from service.demo_past import Past, make_past_months
from service.demo_people import ACCOUNTS, BONNET, CLIENTS, MOREL, NORTHWIND, OPERATOR, RESELLER, DemoAccount
from service.demo_story import BOOSTED, Story
from tenants.accounts import find_operator, get_account
from tenants.actors import Actor
from tenants.api_keys import ApiKey
from tenants.house import House

_FILE = "demo.json"
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


async def ensure_demo(house: House, folder: Path) -> dict[str, str]:
    """The passwords of the demo people by address, seeding what is not there yet. Empty when the accounts are somebody else's.

    One transaction makes all of it: a start that was interrupted begins anew, and data that people have changed since is left alone.
    """
    async with house.database.transaction() as session:
        if await find_operator(session) is not None:
            return _kept(folder)
    passwords = _new_passwords(house.settings.password_min_length)
    _keep(folder, passwords)
    await _seed(house, passwords)
    return passwords


async def _seed(house: House, passwords: Mapping[str, str]) -> None:
    hashes = dict(zip(passwords, await asyncio.gather(*(house.hasher.hash(each) for each in passwords.values())), strict=True))
    await make_past_months(house.database)
    async with house.database.transaction() as session:
        past = Past(session, datetime.now(UTC).date())
        founding = Founding(house, past, hashes)
        operator = await founding.found(OPERATOR, by=None)
        seller = await founding.found(RESELLER, by=operator)
        story = Story(house, past, founding, seller)
        await story.of_the_reseller()
        actors = {client.slug: await founding.found(client, by=seller) for client in CLIENTS}
        key = await story.of_morel(actors[MOREL.slug])
        await story.of_northwind(actors[NORTHWIND.slug])
        await story.of_bonnet(actors[BONNET.slug])
        everybody = {OPERATOR.slug: operator, RESELLER.slug: seller, **actors}
        for wanted in ACCOUNTS:
            await _play(past, founding, wanted, everybody[wanted.slug], key=key if wanted.documents else None)


async def _play(past: Past, founding: Founding, wanted: DemoAccount, actor: Actor, *, key: ApiKey | None) -> None:
    await past.enter(actor.account_id)
    account = await get_account(past.session, actor.account_id)
    boosted = BOOSTED if wanted is MOREL else range(0)
    await History(past, wanted, account, await founding.people_of(wanted), boosted=boosted).tell(key=key)


def _new_passwords(shortest: int) -> dict[str, str]:
    people = {person.email for account in ACCOUNTS for person in account.people if person.accepts}
    return {email: _password(shortest) for email in sorted(people)}


def _password(shortest: int) -> str:
    # Eight syllables of 70 are 49 bits, easy to read aloud and on the same keys of every keyboard layout.
    words = ["".join(secrets.choice(_SYLLABLES) for _ in range(2)) for _ in range(max(4, -(-(shortest + 1) // 5)))]
    return "-".join(words)


def _kept(folder: Path) -> dict[str, str]:
    try:
        kept: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    passwords: dict[str, str] = kept["passwords"]
    return passwords


def _keep(folder: Path, passwords: Mapping[str, str]) -> None:
    # Beside its place first: a kill in the middle must not lose the passwords of accounts that exist.
    unfinished = folder / f"{_FILE}.new"
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps({"passwords": passwords}, indent=1), encoding="utf-8")
    unfinished.replace(folder / _FILE)
