"""The outbox is emptied: every row settles once, as the mail server decided, and no row holds up another."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from service.embedded import Addresses
from tenants import invitations, outbox
from tenants.house import House
from tests import make
from tests.conftest import MailServer
from tests.make import Company
from tests.workers.post import (
    altered,
    change,
    deliver,
    due_now,
    invitation_shown,
    invite,
    lease_all,
    mails,
    now,
    token_in,
)
from tests.workers.scripted_smtp import ScriptedServer, Visit
from workers.mail import MailRoom
from workers.smtp import PostOffice


async def test_a_mail_is_sent_once_and_shown(house: House, acme: Company, mail_server: MailServer) -> None:
    user = await invite(house, acme, "kim@example.com")
    assert (await invitation_shown(house, acme, user.id))["state"] == "queued"
    await deliver(house)
    await deliver(house)
    assert len(mail_server.messages) == 1
    assert (await invitation_shown(house, acme, user.id))["state"] == "sent"
    [row] = await mails(house, acme)
    assert (row.state, row.attempts, row.leased_until, row.last_reply) == ("sent", 1, None, "250 taken")


@pytest.mark.parametrize(("step", "reply"), [("rcpt", "450 greylisted"), ("dot", "451 try again"), ("data", "421 closing")])
async def test_a_retry_carries_the_same_message_id_and_link(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses, *, step: str, reply: str
) -> None:
    user = await invite(house, acme, "kim@example.com")
    scripted.answer(step, reply, times=1)  # type: ignore[arg-type]  # the steps are written out above
    await deliver(house, port=scripted.port)
    [row] = await mails(house, acme)
    assert (row.state, row.attempts, row.leased_until, row.last_reply) == ("owed", 1, None, reply)
    assert 25 < (row.next_try_at - await now(house)).total_seconds() < 40
    assert (await invitation_shown(house, acme, user.id))["mail_reply"] == reply
    await deliver(house, port=scripted.port)
    assert scripted.taken == []
    await due_now(servers)
    await deliver(house, port=scripted.port)
    assert [taken.recipient for taken in scripted.taken] == ["kim@example.com"]
    assert [(row.state, row.attempts) for row in await mails(house, acme)] == [("sent", 2)]


async def test_a_reply_lost_after_the_dot_sends_the_same_mail_again(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses
) -> None:
    await invite(house, acme, "kim@example.com")
    scripted.break_off("kept", times=1)
    await deliver(house, port=scripted.port)
    await due_now(servers)
    await deliver(house, port=scripted.port)
    first, second = scripted.taken
    assert re.fullmatch(r"<[0-9a-f]{32}\.[0-9a-f]{8}@localhost>", first.message["Message-ID"])
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert token_in(first.message) == token_in(second.message)
    assert [row.state for row in await mails(house, acme)] == ["sent"]


async def test_a_connection_reset_before_the_dot_sends_one(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses
) -> None:
    await invite(house, acme, "kim@example.com")
    scripted.break_off("content", times=1)
    await deliver(house, port=scripted.port)
    await due_now(servers)
    await deliver(house, port=scripted.port)
    assert len(scripted.taken) == 1


async def test_a_permanent_refusal_is_tried_once_and_shown(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses
) -> None:
    user = await invite(house, acme, "gone@example.com")
    await invite(house, acme, "kim@example.com")
    scripted.answer("rcpt", "550 5.1.1 no such person", to="gone")
    await deliver(house, port=scripted.port)
    await due_now(servers)
    await deliver(house, port=scripted.port)
    shown = await invitation_shown(house, acme, user.id)
    assert (shown["state"], shown["mail_reply"]) == ("refused", "550 5.1.1 no such person")
    assert [(row.state, row.attempts) for row in await mails(house, acme)] == [("refused", 1), ("sent", 1)]
    assert sum(visit.commands.count("RCPT") for visit in scripted.visits) == 2


async def test_back_off_grows_to_an_hour_and_ends(
    house: House, acme: Company, scripted: ScriptedServer, servers: Addresses
) -> None:
    await invite(house, acme, "kim@example.com")
    scripted.answer("rcpt", "450 not now")
    waits = []
    for _ in range(11):
        await due_now(servers)
        await deliver(house, port=scripted.port)
        [row] = await mails(house, acme)
        waits.append((row.next_try_at - await now(house)).total_seconds())
    for waited, base in zip(waits, [30, 60, 120, 300, 600, 1200, 2400, 3600, 3600, 3600, 3600], strict=True):
        assert base * 0.89 < waited < base * 1.21
    await due_now(servers)
    await deliver(house, port=scripted.port)
    [row] = await mails(house, acme)
    assert (row.state, row.attempts, row.last_reply) == ("refused", 12, "450 not now")


async def test_a_withdrawn_invitation_is_not_mailed(house: House, acme: Company, mail_server: MailServer) -> None:
    user = await invite(house, acme, "kim@example.com")
    [lease] = await lease_all(house)
    administrator = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await invitations.withdraw(session, house.catalogue, administrator, user.id)
    async with house.database.transaction(acme.account_id) as session:
        assert not await outbox.settle_sent(session, lease, reply="250 too late")
    await deliver(house)
    assert mail_server.messages == []
    assert [row.state for row in await mails(house, acme)] == ["cancelled"]


async def test_one_poisoned_row_among_twenty_is_set_aside(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    for number in range(20):
        await invite(house, acme, f"n{number}@example.com")
    rows = await mails(house, acme)
    await change(servers, "UPDATE outbox SET letter = 'a letter of another release' WHERE id = $1", rows[0].id)
    await change(servers, "UPDATE outbox SET about = gen_random_uuid() WHERE id = $1", rows[7].id)
    await change(servers, "UPDATE users SET email = 'not an address' WHERE id = $1", rows[13].user_id)
    await deliver(house)
    assert len(mail_server.messages) == 17
    settled = await mails(house, acme)
    assert [number for number, row in enumerate(settled) if row.state == "refused"] == [0, 7, 13]
    assert [row.state for row in settled].count("sent") == 17
    assert settled[0].last_reply == "this mail could not be written (ValueError)"


async def test_a_mail_that_kills_its_workers_is_given_up(
    house: House, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await invite(house, acme, "kim@example.com")
    await change(servers, "UPDATE outbox SET attempts = 12 WHERE state = 'owed'")
    await deliver(house)
    assert mail_server.messages == []
    assert [(row.state, row.last_reply) for row in await mails(house, acme)] == [("refused", "given up after 12 tries")]


async def test_an_expired_lease_is_anothers_and_its_old_holder_cannot_settle(
    house: House, acme: Company, mail_server: MailServer
) -> None:
    await invite(house, acme, "kim@example.com")
    [old] = await lease_all(house, seconds=1)
    await deliver(house)
    assert mail_server.messages == []
    await asyncio.sleep(1.1)
    [new] = await lease_all(house, seconds=1)
    assert (new.id, new.fence, new.attempts) == (old.id, old.fence + 1, 2)
    async with house.database.transaction(acme.account_id) as session:
        assert not await outbox.settle_sent(session, old, reply="250 late")
        assert not await outbox.settle_refused(session, old, reply="550 late")
        assert not await outbox.settle_cancelled(session, old)
    async with house.database.transaction(acme.account_id) as session:
        assert await outbox.settle_sent(session, new, reply="250 in time")
    assert [(row.state, row.last_reply) for row in await mails(house, acme)] == [("sent", "250 in time")]


async def test_a_tar_pit_for_one_recipient_delays_no_other(house: House, acme: Company, scripted: ScriptedServer) -> None:
    slow_began = asyncio.Event()

    async def stick(visit: Visit) -> str | None:
        if visit.recipient.startswith("slow"):
            slow_began.set()
            await asyncio.sleep(60)
        return None

    scripted.at["rcpt"] = stick
    await invite(house, acme, "slow@example.com")
    for number in range(12):
        await invite(house, acme, f"n{number}@example.com")
    sending = asyncio.create_task(deliver(house, port=scripted.port, smtp_timeout=4))
    await slow_began.wait()
    began = datetime.now(UTC)
    while len(scripted.taken) < 12:
        await asyncio.sleep(0.02)
    assert (datetime.now(UTC) - began).total_seconds() < 3
    assert not sending.done()
    await sending
    [slow, *others] = await mails(house, acme)
    assert slow.state == "owed"
    assert {row.state for row in others} == {"sent"}


async def test_stopping_finishes_the_mail_in_hand_and_leaves_nothing_leased(
    house: House, acme: Company, scripted: ScriptedServer
) -> None:
    at_the_dot, go_on = asyncio.Event(), asyncio.Event()

    async def pause(visit: Visit) -> str | None:
        if visit.recipient.startswith("first"):
            at_the_dot.set()
            await go_on.wait()
        elif visit.recipient.startswith("stuck"):
            await asyncio.sleep(60)
        return None

    scripted.at["dot"] = pause
    for name in ("first", "stuck0", "stuck1", "stuck2", "never0", "never1"):
        await invite(house, acme, f"{name}@example.com")
    room = MailRoom(house, PostOffice(altered(house.settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}")))
    room.wake()
    await at_the_dot.wait()
    closing = asyncio.create_task(room.close(within=0.5))
    await asyncio.sleep(0.05)
    go_on.set()
    await closing
    rows = await mails(house, acme)
    assert [row.state for row in rows] == ["sent"] + ["owed"] * 5
    assert {row.leased_until for row in rows} == {None}
    assert [taken.recipient for taken in scripted.taken] == ["first@example.com"]


async def test_nothing_is_sent_when_no_time_is_left_of_the_lease(house: House, acme: Company, scripted: ScriptedServer) -> None:
    short = House(**{**house.__dict__, "settings": altered(house.settings, mail_lease=1)})

    async def dawdle(_: Visit) -> str | None:
        await asyncio.sleep(60)
        return None

    scripted.at["mail"] = dawdle
    for number in range(8):
        await invite(house, acme, f"n{number}@example.com")
    began = datetime.now(UTC)
    await asyncio.wait_for(deliver(short, port=scripted.port), 10)
    assert (datetime.now(UTC) - began).total_seconds() < 4
    rows = await mails(house, acme)
    assert {row.state for row in rows} == {"owed"}
    assert [row.attempts for row in rows] == [1] * 8
