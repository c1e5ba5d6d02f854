"""The scripts agree with a second statement of the seat rules, over random lives of an account."""

from service.embedded import Addresses
from tests.tenants.seat_machine import run


def test_the_scripts_and_the_model_never_differ(emptied: Addresses) -> None:
    run(emptied.redis_url, runs=150, steps=40, by_chance=False)
