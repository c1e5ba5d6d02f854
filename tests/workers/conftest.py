"""What only the mail tests need: a mail server that follows a script, and a company to write to."""

from collections.abc import AsyncIterator

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.make import Company
from tests.workers.post import change
from tests.workers.scripted_smtp import ScriptedServer


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A mail server that takes everything until a test says otherwise."""
    async with ScriptedServer(extensions=("8BITMIME", "SMTPUTF8")) as server:
        yield server


@pytest.fixture
async def acme(house: House, servers: Addresses) -> Company:
    """A company with an administrator; the mail that its making owed is out of the way."""
    company = await make.company(house, "Acme", staff=1)
    await change(servers, "TRUNCATE outbox")
    return company
