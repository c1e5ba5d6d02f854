"""F1, in short: the worker is killed once at every step (`make faults` does it twenty times)."""

from pathlib import Path

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests.faults.worker_kills import AMBIGUOUS, MOMENTS, Experiment
from tests.make import Company


@pytest.mark.long
async def test_no_step_loses_a_mail_and_only_two_may_send_it_twice(
    house: House, servers: Addresses, acme: Company, tmp_path: Path
) -> None:
    tallies = await Experiment(house, servers, acme, tmp_path).run(rounds=1, tell=lambda _: None)
    assert [tally.moment for tally in tallies] == list(MOMENTS)
    assert {tally.moment: tally.wrong for tally in tallies if tally.wrong} == {}
    assert {tally.moment for tally in tallies if tally.twice} == AMBIGUOUS
