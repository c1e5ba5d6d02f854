"""PostgreSQL or Valkey gone: told with a time to come back, nothing half done, and people at work go on where they can."""

import html
import os
import shutil
import signal
import tempfile
from asyncio import gather
from pathlib import Path
from typing import Any
from uuid import uuid4

from service.embedded import Addresses, EmbeddedServers
from tenants.house import open_house
from tenants.schema import migrate
from tenants.tokens import Purpose
from tests import make
from tests.api import Api, open_client
from tests.conftest import application, settings_on
from tests.console.tab import Tab
from tests.make import Person
from tests.refusals import GOOD, well_formed
from tests.tenants.rows import every_row, sql


async def test_stores_that_are_away_are_told_and_nothing_is_half_done(mail_room: Any) -> None:
    folder = Path(tempfile.mkdtemp(prefix="portillon-away-"))
    embedded, another = EmbeddedServers(folder / "first", durable=False), EmbeddedServers(folder / "second", durable=False)
    try:
        servers = embedded.start()
        await migrate(servers.migration_database_url.replace("postgresql://", "postgresql+asyncpg://"))
        await _without_valkey(embedded, servers, mail_room.port)
        with_another = Addresses(servers.database_url, servers.migration_database_url, servers.superuser_url, another.start_redis())
        await _without_postgresql(embedded, with_another, mail_room.port)
    finally:
        another.stop()
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _without_valkey(embedded: EmbeddedServers, servers: Addresses, smtp_port: int) -> None:
    house = open_house(settings_on(servers, smtp_port=smtp_port))
    async with open_client(application(house, beside=1)) as client:
        api = Api(client)
        acme = await make.company(house, staff=1)
        await api.sign_in(acme.administrator)
        invited = (await api.post("/users", {"email": "new@acme.example.com", "role": "user"}, by=acme.administrator)).json()["id"]
        token = await make.invitation_token(house, acme.account_id, invited)
        await api.sign_in(acme.staff[0])
        tab = Tab(client)
        await tab.sign_in(acme.staff[0])
        await api.post("/password-resets", {"email": acme.staff[0].email})
        await house.finish()
        row = (await sql(servers, "SELECT id, nonce FROM password_resets"))[0]
        reset = house.signer.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row["id"], nonce=row["nonce"])
        before = await every_row(servers)
        os.kill(embedded.pids[1], signal.SIGKILL)
        calls = [
            ("POST", "/login", {"email": acme.staff[0].email, "password": acme.staff[0].password}, None),
            ("POST", "/users", {"email": "b@acme.example.com", "role": "user"}, acme.administrator),
            ("PATCH", f"/users/{acme.staff[0].user_id}", {"status": "suspended"}, acme.administrator),
            ("DELETE", "/session", None, acme.administrator),
            ("GET", "/session", None, acme.administrator),
            ("POST", "/password-resets", {"email": acme.staff[0].email}, None),
            ("POST", "/password-resets/confirm", {"token": reset, "password": GOOD}, None),
            ("POST", "/invitations/accept", {"token": token, "password": GOOD}, None),
            ("POST", "/email-changes", {"email": "b@acme.example.com", "password": make.PASSWORD}, acme.administrator),
        ]
        await _all_unavailable(api, calls)
        await _pages_say_so(tab, "/connections?days=7")
        after = await every_row(servers)
        changed = {table for table in before if before[table] != after[table]}
        # Looking at a link marks it as opened; nothing else has happened.
        assert changed <= {"invitations"}
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
    await house.close()


async def _without_postgresql(embedded: EmbeddedServers, servers: Addresses, smtp_port: int) -> None:
    house = open_house(settings_on(servers, smtp_port=smtp_port))
    async with open_client(application(house, beside=1)) as client:
        api = Api(client)
        bistro = await make.company(house, "Bistro", staff=1)
        ada, person = bistro.people
        assert (await api.sign_in(ada)).status_code == 201
        tab = Tab(client)
        await tab.sign_in(person)
        os.kill(embedded.pids[0], signal.SIGKILL)
        await _all_unavailable(api, [
            ("POST", "/login", {"email": person.email, "password": person.password}, None),
            ("GET", "/users", None, ada),
            ("POST", "/users", {"email": "b@bistro.example.com", "role": "user"}, ada),
            ("PATCH", f"/users/{person.user_id}", {"role": "accountant"}, ada),
            ("POST", "/password-resets", {"email": person.email}, None),
            ("POST", "/invitations/lookup", {"token": house.signer.link(Purpose.INVITATION, account_id=uuid4(), row_id=uuid4(), nonce=b"x")}, None),
            ("PUT", "/password", {"current": ada.password, "new": GOOD}, ada),
        ])  # fmt: skip
        await _pages_say_so(tab, "/connections?days=7")
        # People at work go on: who they are is answered without PostgreSQL.
        assert (await api.get("/session", by=ada)).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
    await house.close()


async def _all_unavailable(api: Api, calls: list[tuple[str, str, Any, Person | None]]) -> None:
    answers = await gather(
        *(api.call(method, path, by=by, json=body, headers={"Accept-Language": "fr"}) for method, path, body, by in calls)
    )
    for call, answer in zip(calls, answers, strict=True):
        document = well_formed(answer, 503, "unavailable", str(call))
        assert int(answer.headers["retry-after"]) == document["retry_after"] > 0
        assert document["title"] == "Momentanément indisponible"


async def _pages_say_so(tab: Tab, path: str) -> None:
    for language, title, again, what in (
        ("en", "Temporarily unavailable", "Try again", "Nothing was changed. Try again in"),
        ("fr", "Momentanément indisponible", "Réessayer", "Rien n’a été modifié. Réessayez dans"),
    ):
        tab.cookies["portillon-language"] = language
        answer = await tab.open(path)
        page = html.unescape(answer.text)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert int(answer.headers["retry-after"]) > 0
        assert f'<html lang="{language}">' in page
        assert f"<h1>{title}</h1>" in page
        assert what in page
        assert f'<a class="button" href="{path}">{again}</a>' in page
