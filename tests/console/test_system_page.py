"""The operator's page: what works, which mail did not go out, and one more try for it; never to whom it was going."""

from uuid import uuid4

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.tenants.rows import events, sql


async def test_the_operator_sees_mail_that_failed_without_an_address_and_has_it_tried_again(
    tab: Tab, house: House, servers: Addresses
) -> None:
    acme = await make.company(house, "Acme", staff=1)
    operator = await make.operator(house)
    refusal = "550 5.1.1 <p0@acme.example.com>: user unknown"
    mail = (await sql(servers, "SELECT id FROM outbox WHERE account_id = $1 ORDER BY id DESC LIMIT 1", acme.account_id))[0][0]
    change = "UPDATE outbox SET state = $2, attempts = 3, last_reply = $3, settled_at = now() WHERE id = $1"
    await sql(servers, change, mail, "refused", refusal)
    await tab.sign_in(operator.administrator)
    page = await tab.open("/system")
    assert page.status_code == 200
    for words in ("550 5.1.1 &lt;…&gt;: user unknown", "Acme", "3 tries", "PostgreSQL", "up to date", "Enterprise"):
        assert words in page.text, words
    assert "p0@acme" not in page.text
    again = f"/system/mail/{mail}/again"
    fields = tab.form(again)
    assert (await tab.post(again, fields)).headers["location"] == "/system?done=again"
    row = (await sql(servers, "SELECT state, attempts, settled_at FROM outbox WHERE id = $1", mail))[0]
    assert tuple(row) == ("owed", 0, None)
    assert (await events(servers, operator.account_id)).count("mail.tried_again") == 1
    # Pressed twice: it is owed already, and nothing more happens.
    twice = await tab.post(again, fields)
    assert (twice.status_code, (await events(servers, operator.account_id)).count("mail.tried_again")) == (409, 1)
    await sql(servers, change, mail, "sent", "250 taken")
    assert (await tab.post(again, fields)).status_code == 409
    assert (await tab.post(f"/system/mail/{uuid4()}/again", fields)).status_code == 404
    assert (await sql(servers, "SELECT state FROM outbox WHERE id = $1", mail))[0][0] == "sent"


async def test_nobody_but_the_operator_tries_mail_again(tab: Tab, house: House, servers: Addresses) -> None:
    north = await make.company(house, "North", kind="reseller", staff=0)
    mail = (await sql(servers, "SELECT id FROM outbox WHERE account_id = $1 LIMIT 1", north.account_id))[0][0]
    await sql(servers, "UPDATE outbox SET state = 'refused', settled_at = now() WHERE id = $1", mail)
    await tab.sign_in(north.administrator)
    await tab.open("/")
    assert (await tab.post(f"/system/mail/{mail}/again", tab.form("/logout"))).status_code == 403
    assert (await sql(servers, "SELECT state FROM outbox WHERE id = $1", mail))[0][0] == "refused"
