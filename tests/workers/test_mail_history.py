"""What became of a mail is one line of the history: sent, or refused with the server's reply; a mail that is not sent leaves none."""

import json

from service.embedded import Addresses
from tenants import invitations
from tenants.house import House
from tests import make
from tests.make import Company
from tests.tenants.rows import sql
from tests.workers.post import deliver, invite
from tests.workers.scripted_smtp import ScriptedServer

LINES = "SELECT result, actor_kind, target_id, facts FROM activity WHERE account_id = $1 AND event LIKE 'mail.%' ORDER BY id"


async def test_each_mail_leaves_one_line_of_what_became_of_it(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses
) -> None:
    await sql(servers, "DELETE FROM activity")
    first = await invite(house, acme, "kim@example.com")
    await deliver(house, port=scripted.port)
    await deliver(house, port=scripted.port)
    second = await invite(house, acme, "lou@example.com")
    scripted.answer("rcpt", "550 no such mailbox", times=1)
    await deliver(house, port=scripted.port)
    third = await invite(house, acme, "max@example.com")
    async with house.database.transaction(acme.account_id) as session:
        actor = await make.actor(house, acme, acme.administrator)
        await invitations.withdraw(session, house.catalogue, actor, third.id)
    await deliver(house, port=scripted.port)
    found = [(*row[:3], json.loads(row["facts"])) for row in await sql(servers, LINES, acme.account_id)]
    assert found == [
        ("done", "system", str(first.id), {"letter": "invitation"}),
        ("failed", "system", str(second.id), {"letter": "invitation", "reply": "550 no such mailbox"}),
    ]
