"""Advice about the number of seats, as sentences in the reader's language."""

from service.problems import say
from tenants.advice import Advice


def sentences(language: str, advice: Advice) -> list[str]:
    """What the figures say, most useful first; the numbers are those of the advice."""
    if advice.spare:
        used = advice.seats - advice.spare
        return [
            say(
                language,
                "You pay for {seats} places and never used more than {used} at the same time.",
                seats=advice.seats,
                used=used,
            )
        ]
    if not advice.refused:
        return [say(language, "With today's places nobody would have been refused.")]
    # Nine of ten first, then all of them, where that takes more.
    chosen = dict.fromkeys([advice.wanted, advice.steps[-1] if advice.steps else None])
    return [
        say(
            language,
            "{seats} places would have avoided {avoided} of {refusals} refusals.",
            seats=step.seats,
            avoided=step.avoided,
            refusals=advice.refused,
        )
        for step in chosen
        if step is not None
    ]
