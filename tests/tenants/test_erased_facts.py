"""What PostgreSQL takes out of a line's facts is exactly what the seal's keyed digest covers: Python and SQL have one list."""

import json
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.embedded import Addresses
from tenants.activity_digests import SELECTED, Form
from tests.tenants.rows import sql

PERSON = UUID("01890000-0000-7000-8000-00000000beef")
PSEUDONYM = "deleted-00000000beef"
KEYS = st.sampled_from(["before", "after", "name", "email", "reason", "message", "reply", "role", "until"])
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8)
FACTS = st.dictionaries(KEYS, VALUES, max_size=6)


def line(facts: str, label: str) -> dict[str, Any]:
    """A line about the person, as PostgreSQL gives it."""
    columns = dict.fromkeys((name.split(" AS ")[-1] for name in SELECTED.split(", ")), "x")
    return {**columns, "id": PERSON, "actor_user_id": None, "actor_identity_id": None, "target_type": "user",
            "target_id": str(PERSON), "target_label": label, "facts": facts}  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=st.lists(FACTS, min_size=20, max_size=20))
async def test_taking_a_person_out_of_the_facts_changes_what_is_keyed_and_nothing_else(
    servers: Addresses, many: list[dict[str, Any]]
) -> None:
    rows = await sql(
        servers,
        "SELECT f::text AS was, activity_facts_without(f, $2)::text AS is FROM unnest($1::jsonb[]) WITH ORDINALITY AS t (f, n) ORDER BY n",
        [json.dumps(facts) for facts in many],
        PSEUDONYM,
    )
    for row in rows:
        before, after = Form(line(row["was"], "Zora")), Form(line(row["is"], PSEUDONYM))
        digests = {"actor": bytes(32), "target": bytes(32)}
        assert before.digest(**digests) == after.digest(**digests), row
        assert after.target_shows_only(frozenset({PSEUDONYM})), row
