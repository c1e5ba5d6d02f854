"""Over random roles: when the option lapses nobody gains, whatever is hidden; and everything returns with it."""

from hypothesis import given
from hypothesis import strategies as st

from tenants.catalogue import ACCOUNT_KINDS, CUSTOM_ROLES, AccountKind, load_catalogue

CATALOGUE = load_catalogue()
SECTIONS = [section.key for section in CATALOGUE.sections]
kinds = st.sampled_from(ACCOUNT_KINDS)
roles = st.frozensets(st.sampled_from(CATALOGUE.rights))
hidden = st.frozensets(st.sampled_from(SECTIONS))


@given(kinds, roles, hidden)
def test_nobody_is_wider_without_the_option_than_with_it(kind: AccountKind, rights: frozenset[str], away: frozenset[str]) -> None:
    before = CATALOGUE.effective(kind, "own", rights, options={CUSTOM_ROLES}, hidden=away)
    after = CATALOGUE.effective(kind, "own", rights, options=set(), hidden=away)
    user = CATALOGUE.roles["user"].rights
    assert after == before & user
    assert before == {r for r in rights & CATALOGUE.rights_of(kind) if r.partition(".")[0] not in away}


@given(kinds, roles, hidden, hidden)
def test_hiding_more_never_gives_more(
    kind: AccountKind, rights: frozenset[str], away: frozenset[str], more: frozenset[str]
) -> None:
    for options in ({CUSTOM_ROLES}, set[str]()):
        less = CATALOGUE.effective(kind, "own", rights, options=options, hidden=away | more)
        assert less <= CATALOGUE.effective(kind, "own", rights, options=options, hidden=away)


@given(kinds, hidden)
def test_administrators_have_everything_whatever_is_hidden(kind: AccountKind, away: frozenset[str]) -> None:
    rights = CATALOGUE.effective(kind, "administrator", None, options=set(), hidden=away)
    assert rights == CATALOGUE.rights_of(kind)
