"""Many people who can sign in, and the scripts that make wrk sign in or work as them."""

import json
from pathlib import Path
from typing import Any

import asyncpg

from tenants import signing_in
from tenants.actors import Origin
from tenants.house import House
from tests import make
from tests.faults.processes import Stage
from tests.make import PASSWORD, Company, Person

_HERE = Origin("127.0.0.1", "Firefox, Windows")


async def hire(house: House, on: Stage, *, companies: int, staff: int, name: str) -> list[Company]:
    """Companies with room for everybody; their password's hash has the parameters of the stage's settings."""
    made = [await make.company(house, f"{name} {number}", staff=staff - 1, seats=staff) for number in range(companies)]
    # Builders may hash cheaply; a sign-in must not.
    connection = await asyncpg.connect(on.addresses.superuser_url)
    try:
        emails = [person.email for company in made for person in company.people]
        await connection.execute(
            "UPDATE identities SET password_hash = $1 WHERE email = ANY($2)", await house.hasher.hash(PASSWORD), emails
        )
    finally:
        await connection.close()
    return made


async def sign_in(house: House, people: list[Person]) -> list[str]:
    """Tokens of new sessions."""
    signed = [
        await signing_in.sign_in(house.keys, email=person.email, password=person.password, account=None, origin=_HERE)
        for person in people
    ]
    return [one.token.text for one in signed]


async def send_home(on: Stage) -> None:
    """Nobody has a session any more, as after a night."""
    connection = await asyncpg.connect(on.addresses.superuser_url)
    try:
        await connection.execute("UPDATE sessions SET ended_at = now(), ended_reason = 'signed_out' WHERE ended_at IS NULL")
    finally:
        await connection.close()
    with on.valkey() as client:
        client.flushall()


def working_script(path: Path, tokens: list[str]) -> Path:
    """wrk asks as each of these sessions in turn."""
    return _script(path, [{"method": "GET", "headers": {"Authorization": f"Bearer {token}"}} for token in tokens])


def signing_in_script(path: Path, people: list[Person]) -> Path:
    """wrk signs each of these people in, in turn."""
    return _script(
        path,
        [
            {
                "method": "POST",
                "headers": {
                    "Content-Type": "application/json",
                    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Firefox/130.0",
                },
                "body": json.dumps({"email": person.email, "password": person.password}),
            }
            for person in people
        ],
    )


def _script(path: Path, requests: list[dict[str, Any]]) -> Path:
    rows = "\n".join(
        f"  {{ '{one['method']}', {{ {', '.join(f'[{json.dumps(k)}] = {json.dumps(v)}' for k, v in one['headers'].items())} }}, "
        f"{json.dumps(one.get('body', ''))} }},"
        for one in requests
    )
    path.write_text(
        f"""local rows = {{
{rows}
}}
local made, turn = {{}}, 0
function request()
  turn = turn % #rows + 1
  -- Formatted at its first use: only then is the address known.
  if not made[turn] then made[turn] = wrk.format(rows[turn][1], nil, rows[turn][2], rows[turn][3]) end
  return made[turn]
end
""",
        encoding="utf-8",
    )
    return path
