"""Kills the worker at every step of handing a mail over; no mail may be lost, and only two steps may send it twice.

`python -m tests.faults.worker_kills --rounds 20` prints a line for each step and ends with status 1 where it found otherwise.
"""

import argparse
import asyncio
import ssl
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal
from uuid import UUID

import asyncpg
import trustme

from service.embedded import Addresses, EmbeddedServers
from tenants.house import House, open_house
from tenants.schema import migrate
from tests import make
from tests.conftest import settings_on
from tests.make import Company
from tests.workers.post import altered, change, invite, token_in
from tests.workers.process import WorkerProcess
from tests.workers.scripted_smtp import ScriptedServer, Step, Taken, Visit

Moment = Literal[
    "connect",
    "EHLO",
    "STARTTLS",
    "MAIL",
    "RCPT",
    "DATA",
    "before the dot",
    "after the dot",
    "after 250 before commit",
    "after commit",
]
MOMENTS: dict[Moment, Step] = {
    "connect": "connect",
    "EHLO": "ehlo",
    "STARTTLS": "starttls",
    "MAIL": "mail",
    "RCPT": "rcpt",
    "DATA": "data",
    "before the dot": "content",
    "after the dot": "kept",
    "after 250 before commit": "after",
    "after commit": "after",
}
#: The server has the mail and we do not know it: sent again, with the same Message-ID and link.
AMBIGUOUS: frozenset[Moment] = frozenset({"after the dot", "after 250 before commit"})
LEASE = 2  # seconds
SETTLED_WITHIN = 60.0


@dataclass
class Tally:
    """What became of the mails whose worker was killed at one moment."""

    moment: Moment
    rounds: int = 0
    delivered: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, copies: list[Taken]) -> None:
        """One round's copies."""
        self.rounds += 1
        self.delivered += bool(copies)
        self.twice += len(copies) == 2
        if not copies:
            self.wrong.append("lost")
        elif len(copies) > (2 if self.moment in AMBIGUOUS else 1):
            self.wrong.append(f"{len(copies)} copies")
        elif len({(copy.message["Message-ID"], token_in(copy.message)) for copy in copies}) > 1:
            self.wrong.append("copies that differ")


class Experiment:
    """One worker after another, each killed while it hands over a mail of its own."""

    def __init__(self, house: House, servers: Addresses, company: Company, folder: Path) -> None:
        self._house = house
        self._servers = servers
        self._company = company
        self._folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(tls)
        self._mail_server = ScriptedServer(tls=tls)

    async def run(self, *, rounds: int, tell: Callable[[Tally], None]) -> list[Tally]:
        """Every moment, so many times."""
        await change(self._servers, "TRUNCATE outbox")
        tallies = []
        async with self._mail_server:
            settings = altered(
                self._house.settings, smtp_url=f"smtp://localhost:{self._mail_server.port}", mail_lease=LEASE, mail_sweep=0.1
            )
            worker = WorkerProcess(settings, self._folder / "worker.log", SSL_CERT_FILE=str(self._folder / "authority.pem"))
            worker.start()
            try:
                for moment in MOMENTS:
                    tally = Tally(moment)
                    for number in range(rounds):
                        await self._kill_once(worker, tally, f"{moment.replace(' ', '-').lower()}.{number}@example.com")
                    tell(tally)
                    tallies.append(tally)
            finally:
                if worker.runs:
                    worker.kill()
        return tallies

    async def _kill_once(self, worker: WorkerProcess, tally: Tally, email: str) -> None:
        await worker.ready()
        # What brought the mail before is still open for a moment: over it, nobody says EHLO again.
        await asyncio.wait_for(self._mail_server.left_alone(), SETTLED_WITHIN)
        async with AsyncExitStack() as opened:
            killed = self._lay_in_wait(worker, tally.moment, opened)
            user = await invite(self._house, self._company, email)
            await asyncio.wait_for(killed.wait(), SETTLED_WITHIN)
            self._mail_server.at.clear()
        worker.start()
        await self._settled(user.id)
        # A second copy would come with the end of the lease.
        if tally.moment == "after commit":
            await worker.ready()
            await asyncio.sleep(LEASE + 0.5)
        tally.count([taken for taken in self._mail_server.taken if taken.recipient == email])

    def _lay_in_wait(self, worker: WorkerProcess, moment: Moment, opened: AsyncExitStack) -> asyncio.Event:
        killed = asyncio.Event()

        async def hold_the_row(_: Visit) -> str | None:
            connection = await asyncpg.connect(self._servers.superuser_url)
            opened.push_async_callback(connection.close)
            await connection.execute("BEGIN")
            await connection.execute("SELECT FROM outbox WHERE state = 'owed' FOR UPDATE")
            return None

        async def strike(_: Visit) -> str | None:
            if moment == "after 250 before commit":
                await asyncio.sleep(0.1)
            if moment == "after commit":
                await self._settled(None)
            worker.kill()
            killed.set()
            raise ConnectionResetError

        if moment == "after 250 before commit":
            self._mail_server.at["kept"] = hold_the_row
        self._mail_server.at[MOMENTS[moment]] = strike
        return killed

    async def _settled(self, user_id: UUID | None) -> None:
        connection = await asyncpg.connect(self._servers.superuser_url)
        try:
            give_up = monotonic() + SETTLED_WITHIN
            while await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE state <> 'sent' AND user_id = coalesce($1, user_id)", user_id
            ):
                assert monotonic() < give_up, "a mail was not settled"
                await asyncio.sleep(0.02)
        finally:
            await connection.close()


def shown(tally: Tally) -> str:
    """One line of the report."""
    verdict = "; ".join(tally.wrong) or "as promised"
    return f"{tally.moment:<24} {tally.delivered:>3}/{tally.rounds} delivered, {tally.twice:>3} twice: {verdict}\n"


async def main(rounds: int) -> int:
    """The whole experiment on servers of its own; the exit status."""
    with tempfile.TemporaryDirectory(prefix="portillon-kills-") as name:
        folder = Path(name)
        embedded = EmbeddedServers(folder, durable=False)
        servers = await asyncio.to_thread(embedded.start)
        try:
            await migrate(servers.migration_database_url.replace("postgresql://", "postgresql+asyncpg://"))
            house = open_house(settings_on(servers, smtp_port=1))
            company = await make.company(house, staff=0)
            experiment = Experiment(house, servers, company, folder)
            tallies = await experiment.run(rounds=rounds, tell=lambda tally: print_line(shown(tally)))
            await house.close()
        finally:
            await asyncio.to_thread(embedded.stop)
    return 1 if any(tally.wrong for tally in tallies) else 0


def print_line(line: str) -> None:
    """At once: a round takes seconds."""
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    sys.exit(asyncio.run(main(parser.parse_args().rounds)))
