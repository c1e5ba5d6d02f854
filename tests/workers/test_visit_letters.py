"""The letter that tells a client's administrators of each visit."""

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.workers.post import change, deliver, html_of, mails, text_of


@pytest.mark.parametrize(
    ("language", "subject", "says"),
    [
        (
            "en",
            "North is visiting Acme",
            [
                "(admin@north.example.com) of North is at work in Acme",
                "Why: Invoice 17 is wrong",
                "Rights: 2, chosen when the visit was allowed",
                "End this visit",
            ],
        ),
        (
            "fr",
            "North est en visite chez Acme",
            [
                "(admin@north.example.com), de North,",
                "Motif\u00a0: Invoice 17 is wrong",
                "Droits\u00a0: 2, choisis lors de l’autorisation",
                "Mettre fin à cette visite",
            ],
        ),
    ],
)
async def test_every_active_administrator_reads_of_each_visit(
    house: House, api: Api, servers: Addresses, mail_server: MailServer, *, language: str, subject: str, says: list[str]
) -> None:
    north = await make.company(house, "North", kind="reseller", staff=0)
    acme = await make.company(house, "Acme", parent=north, staff=3, roles=("administrator", "administrator", "user"))
    people = [person.email for person in acme.people if person.role == "administrator"]
    for person in (acme.administrator, north.administrator):
        await api.sign_in(person)
    await api.patch(f"/users/{acme.people[2].user_id}", {"status": "suspended"}, by=acme.administrator)
    await change(servers, "UPDATE identities SET language = $1", language)
    await change(servers, "TRUNCATE outbox")
    for _ in range(2):
        allowed = {"visitor": "reseller", "once": True, "rights": ["invoices.view", "users.view"]}
        assert (await api.post("/account/visits", allowed, by=acme.administrator)).status_code == 201
        visit = {"reason": "Invoice 17 is wrong", "minutes": 60}
        begun = await api.post(f"/accounts/{acme.account_id}/visits", visit, by=north.administrator)
        assert begun.status_code == 201, begun.text
        await deliver(house)
        assert sorted(recipients[0] for _, recipients, _ in mail_server.messages) == sorted(people[:1] + people[1:2])
        for _, _, message in mail_server.messages:
            assert message["Subject"] == subject
            for line in says:
                assert line in text_of(message)
            assert "Invoice 17 is wrong" in html_of(message)
            assert "http://localhost:8000/" in html_of(message)
            assert begun.json()["token"] not in message.as_string()
        mail_server.clear()
    assert [row.state for row in await mails(house, acme)] == ["sent"] * 4
