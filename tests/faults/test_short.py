"""Short forms of the experiments: the same code as the long ones, with fewer rounds and processes."""

import asyncio
from collections.abc import Iterator

import pytest

from tests import make
from tests.conftest import MailServer
from tests.faults.at_the_next_request import LOSSES, at_the_next_request
from tests.faults.last_administrator import last_administrator
from tests.faults.many_invitations import invited
from tests.faults.processes import Stage, stage
from tests.faults.raised_cap import RAISES, raised_cap
from tests.faults.redis_forgets import SHORT, How, forgets
from tests.faults.repeated_events import repeated_events
from tests.faults.reseller_pool import reseller_pool
from tests.faults.seat_walk import seat_walk
from tests.faults.sign_in_storm import Form, return_after_crash, storm
from tests.faults.user_quota import user_quota
from tests.faults.witnesses import Ledger


@pytest.fixture(scope="module")
def post_office() -> Iterator[MailServer]:
    """Where the worker of this module hands its mails in."""
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def on(post_office: MailServer) -> Iterator[Stage]:
    """Servers of this module alone, for they are emptied and killed; two API processes and a worker."""
    with stage(apis=2, smtp_port=post_office.port) as made:
        made.start_worker()
        yield made


@pytest.mark.parametrize("form", [Form("user", 1), Form("session", 2), Form("user", 1, humanely=True)], ids=str)
async def test_storm_of_sign_ins_never_passes_the_cap(on: Stage, form: Form) -> None:
    await storm(on, form, rounds=1, sign_ins=120, people=20)


@pytest.mark.long
async def test_seats_hold_whatever_people_do_while_time_passes_and_processes_die(on: Stage) -> None:
    await seat_walk(on, seconds=10, kill_every=4, browsers=28)


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_whoever_crashed_gets_back_into_a_full_pool(on: Stage, unit: str) -> None:
    await return_after_crash(on, unit=unit)


async def test_person_who_signs_in_twice_at_once_has_one_session(on: Stage) -> None:
    async with on.house() as house, on.callers() as apis:
        acme = await make.company(house, "Twice", staff=0)
        for _ in range(5):
            answers = await asyncio.gather(*(apis[turn % 2].sign_in(acme.administrator) for turn in range(6)))
            tokens = [answer.json()["token"] for answer in answers if answer.status_code == 201]
            assert len(tokens) == len(answers)
            seen = [await apis[0].get("/session", by=token) for token in tokens]
            assert sorted(one.status_code for one in seen) == [200] + [401] * 5


@pytest.mark.parametrize("how", ["flush", "kill"])
async def test_nobody_at_work_loses_their_place_when_valkey_forgets(on: Stage, post_office: MailServer, how: How) -> None:
    await forgets(on, post_office, how=how, pace=SHORT)


async def test_many_invitations_of_one_account_are_all_mailed_once(on: Stage, post_office: MailServer) -> None:
    assert "200 invitations" in await invited(on, post_office, lines=200, timed=False)


async def test_two_administrators_who_take_each_others_rights_leave_one(on: Stage) -> None:
    await last_administrator(on, rounds=20)


async def test_users_and_departments_never_pass_the_licence_whatever_takes_them(on: Stage) -> None:
    await user_quota(on, rounds=1, at_once=80, users=20)


async def test_given_never_passes_the_pool_whatever_resellers_do_at_once(on: Stage) -> None:
    await reseller_pool(on, rounds=1, at_once=48)


async def test_nothing_that_starts_after_a_change_of_rights_has_the_old_ones(on: Stage) -> None:
    await at_the_next_request(on, rounds=len(LOSSES))


async def test_a_seat_more_is_there_at_the_next_sign_in_on_another_process(on: Stage) -> None:
    await raised_cap(on, rounds=3 * len(RAISES))


async def test_events_that_are_sent_again_and_again_are_one_line_each(on: Stage) -> None:
    await repeated_events(on, rounds=1)


def test_ledger_counts_only_what_answers_prove() -> None:
    ledger = Ledger(1)
    ledger.served("ada", 1, 2)
    ledger.freed("ada", 3, 4)
    ledger.served("bob", 4.5, 5)
    assert ledger.most() == 1
    ledger.served("ada", 6, 7)
    assert ledger.most() == 2
    ledger.forgotten(5.5, 6.5)
    assert ledger.most() == 1
    ledger.served("ada", 8, 9)
    assert ledger.most() == 1
