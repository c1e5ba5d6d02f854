"""Every line of the history is a sentence in the reader's language, on their clock, with today's names of the people it names by id."""

import re
from pathlib import Path
from typing import Any

import pytest

from tenants.accounts import Account
from tenants.activity import Event
from tenants.activity_sentences import Change, actor_of, changes, named_in, sentence, target_of
from tenants.activity_vocabulary import VOCABULARY, VocabularyError, choices, family_of, label_of, load_vocabulary
from tenants.api_keys import KeyScope
from tenants.catalogue import LANGUAGES, OPTIONS
from tenants.outbox import Letter
from tests.activity_sentences import ADA, DOCUMENT, LYON, NAMES, NORA, PAUL, Line, every_line, reader

NB = "\N{NO-BREAK SPACE}"
TOML = Path("tenants/activity.toml")


def fr(line: Line) -> str:
    return sentence(line, reader("fr"), NAMES)


def en(line: Line) -> str:
    return sentence(line, reader("en"), NAMES)


def test_every_sentence_is_whole_in_both_languages() -> None:
    for line in every_line():
        for language in LANGUAGES:
            said = sentence(line, reader(language), NAMES)
            assert not re.search(r"[\[\]{}]|  |None|null", said), said
            assert said == said.strip(), said
            assert not said.endswith("."), said
            if line.facts:
                assert "–" not in said.replace("→ –", ""), said


def test_french_is_typeset_as_french() -> None:
    for line in every_line():
        for text in (fr(line), label_of(line.event, "fr")):
            # The times of day are the only colons without a space before them.
            assert not re.search(r"[^\u00a0][;!?»]|[^\u00a0\d]:|«[^\u00a0]|\d:(?!\d\d)|['\"]", text), text
            assert not re.search(r"\b(de|le|que) [aeiouyéèêAEIOUYÉÈÊ]|\bde le\b", text.replace("lien de nouveau", "")), text


def test_english_is_typeset_as_english() -> None:
    for line in every_line():
        assert not re.search(r"[«»'\"\u00a0]| [:;!?]", en(line)), en(line)


@pytest.mark.parametrize(
    ("line", "french", "english"),
    [
        (
            Line("user.suspended", {"since": None, "until": "2026-03-03T13:30:00+00:00", "reason": "Congé"}),
            "Ada Martin a suspendu Paul jusqu’au 3 mars 2026 à 14:30 (motif\u00a0: Congé)",
            "Ada Martin suspended Paul until 3 March 2026 at 14:30 (reason: Congé)",
        ),
        (
            Line("user.suspended", {"since": "2026-06-30T22:00:00+00:00", "until": None, "reason": None}),
            "Ada Martin a suspendu Paul à partir du 1er juillet 2026 à 00:00",
            "Ada Martin suspended Paul from 1 July 2026 at 00:00",
        ),
        (
            Line("user.changed", {"before": {"role": "user", "departments": None}, "after": {"role": str(LYON), "departments": [str(LYON)]}}),
            "Ada Martin a modifié Paul\u00a0: rôle (Utilisateur → Lyon), départements (tous → Lyon)",
            "Ada Martin changed Paul: role (User → Lyon), departments (all → Lyon)",
        ),
        (
            Line("session.ended", {"why": "suspended", "reason": None, "sessions": 1}),
            "Suspension de Paul\u00a0: 1 connexion interrompue",
            "Suspension of Paul: 1 session ended",
        ),
        (
            Line("session.sign_in_failed", {"why": "password"}, None, None, None, "system", None, None, None),
            "Échec de connexion\u00a0: mot de passe incorrect",
            "Sign-in failed: wrong password",
        ),
        (
            Line("password.reset_asked", {}, target_id=str(ADA), target_label="Ada Martin"),
            "Ada Martin a demandé un lien de nouveau mot de passe",
            "Ada Martin asked for a new password link",
        ),
        (
            Line("mail.sent", {"letter": "invitation"}, target_label="", actor_kind="system", actor_name=None),
            "E-mail «\u00a0Invitation\u00a0» envoyé à Paul",
            "Mail “Invitation” sent to Paul",
        ),
        (
            Line("user.changed", {}, actor_kind="visitor", actor_name="Olga", actor_account_name="Opérateur"),
            "Olga (Opérateur) a modifié Paul",
            "Olga (Opérateur) changed Paul",
        ),
        (
            Line("document.changed", {"details": {}}, *DOCUMENT, actor_kind="api_key", actor_name="Facturation"),
            "La clé d’API «\u00a0Facturation\u00a0» a modifié Facture F-2026-117",
            "The API key “Facturation” changed Facture F-2026-117",
        ),
        (
            Line("document.signed_twice", {}, *DOCUMENT),
            "Ada Martin\u00a0: action «\u00a0signed_twice\u00a0» sur Facture F-2026-117",
            "Ada Martin: action “signed_twice” on Facture F-2026-117",
        ),
        (
            Line("session.signed_in", {"seat": "pool"}, actor_name=None, actor_email="paul@acme.example.com"),
            "Connexion de paul@acme.example.com",
            "paul@acme.example.com signed in",
        ),
        (
            Line("account.created", {"kind": "client", "plan": "pro"}, "account", str(LYON), "Acme", "system", None, None, None),
            "Le système a créé le compte Acme (client, formule Pro)",
            "The system created the account Acme (client, plan Pro)",
        ),
        (
            Line("restrictions.changed", {"scope": "role", "before": [], "after": ["stock"]}, "role", str(LYON), "accountant"),
            "Ada Martin a modifié les sections masquées pour Expert-comptable\u00a0: aucune → Stocks",
            "Ada Martin changed the sections hidden for External accountant: none → Stock",
        ),
    ],
)  # fmt: skip
def test_a_sentence_says_what_happened(line: Line, french: str, english: str) -> None:
    assert fr(line) == french
    assert en(line) == english


def test_two_deleted_people_stay_two_in_every_place_of_a_line() -> None:
    first, second = "deleted-1a2b3c4d5e6f", "deleted-0a0b0c0d0e0f"
    line = Line(
        "seat.handed_over", {"why": "handed_over", "user": str(NORA)}, target_label=first, actor_name=first, actor_email=first
    )
    gone = {str(NORA): second}
    assert sentence(line, reader("en"), gone) == "Deleted user 1a2b3c4d5e6f handed their seat over to deleted user 0a0b0c0d0e0f"
    assert (
        sentence(line, reader("fr"), gone)
        == "Utilisateur supprimé 1a2b3c4d5e6f a cédé sa place à utilisateur supprimé 0a0b0c0d0e0f"
    )
    assert actor_of(line, reader("fr")) == target_of(line, reader("fr"), {}) == "utilisateur supprimé 1a2b3c4d5e6f"
    renamed = Line("user.changed", {"before": {"name": first}, "after": {"name": first}}, target_label=first)
    assert sentence(renamed, reader("en"), {}) == "Ada Martin changed deleted user 1a2b3c4d5e6f"


def test_a_change_is_told_field_by_field() -> None:
    facts = {"before": {"idle_timeout": 30, "reclaim_after": None}, "after": {"idle_timeout": 45, "reclaim_after": 10}}
    line = Line("account.changed", facts, "account", str(LYON), "Acme")
    assert changes(line, reader("en"), {}) == [
        Change("idle_timeout", "Idle minutes before a seat is released", "30", "45"),
        Change("reclaim_after", "Idle minutes before a seat may be reclaimed", "never", "10"),
    ]
    line = Line("account.status_changed", {"before": "active", "after": "closed"}, "account", str(LYON), "Acme")
    assert changes(line, reader("fr"), {}) == [Change("itself", "Statut", "actif", "fermé")]
    line = Line("brand.changed", {"before": None, "after": {"name": "Acme", "logo_type": None}}, "brand", str(LYON), "Acme")
    assert changes(line, reader("fr"), {}) == [Change("name", "Nom", None, "Acme")]
    assert changes(Line("user.deleted"), reader("fr"), {}) == []


def test_a_line_tells_which_names_it_lacks() -> None:
    assert list(named_in(Line("seat.taken", {"why": "idle", "user": str(NORA)}))) == [str(NORA)]
    assert list(named_in(Line("mail.sent", {"letter": "invitation"}, target_label=""))) == [str(PAUL)]
    facts = {"before": {"role": "user", "departments": [str(LYON)]}, "after": {"role": "accountant", "departments": None}}
    assert list(named_in(Line("user.changed", facts))) == ["user", str(LYON), "accountant"]
    assert list(named_in(Line("document.created", {"details": {"user": str(NORA)}}, *DOCUMENT))) == []
    assert sentence(Line("seat.taken", {"why": "idle", "user": str(NORA)}), reader("en"), {}).endswith(
        "was taken for somebody unknown"
    )


@pytest.mark.parametrize(
    "facts", [{"before": {"x": 1}, "after": None}, {"before": 3}, {"before": [1], "after": {"x": {}}}, [], "text", None]
)
def test_a_line_that_somebody_else_wrote_is_told_all_the_same(facts: Any) -> None:
    for line in (Line("user.changed", facts), Line("later.event", facts), Line("seat.line_cleared", facts, None, None, None)):
        assert all(sentence(line, reader(language), {}) for language in LANGUAGES)
        assert isinstance(changes(line, reader("en"), {}), list)
        assert isinstance(list(named_in(line)), list)


def test_every_word_that_a_fact_can_be_is_known() -> None:
    words = VOCABULARY.words
    assert words["letter"].keys() == {letter.value for letter in Letter}
    assert words["option"].keys() == set(OPTIONS)
    assert words["scope_of_key"].keys() == {scope.value for scope in KeyScope}
    settings = VOCABULARY.entries["account.changed"].fields.keys()
    assert settings <= set(Account.__table__.columns.keys())
    assert {family_of(event.value) for event in Event} <= VOCABULARY.families.keys()
    assert label_of("user", "fr") == "Utilisateurs"
    assert (label_of("user.suspended", "fr"), label_of("document.approved", "en")) == (
        "Utilisateur suspendu",
        "Other action on a document",
    )
    assert label_of("later.event", "fr") == "later.event"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('on = ["user"]\nfr = "{actor} a radié', 'on = ["user"]\nfr = "{actor} a radié {x}', "'x' is said in one language alone"),
        ('en = "{actor} struck off {target}"', 'en = ""', "has no text in 'en'"),
        ("{actor} struck off {target}", "{actor} struck off {target}[!]", "is not well formed"),
        ('fr = "{actor} a radié {target}"', 'fr = "{actor} a radié {target"', "is said in one language alone"),
        ('letter = "letter"', 'letter = "parcel"', "letter is of the unknown kind 'parcel'"),
        ('by = "why"', 'by = "how"', "cases are chosen by a fact or by target_type"),
        ("visit        = {", "visits       = {", "a family has a label and events"),
        ('label = { fr = "Utilisateur radié"', 'lable = { fr = "Utilisateur radié"', "unknown field `lable`"),
    ],
)
def test_a_vocabulary_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = TOML.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "activity.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(VocabularyError, match=re.escape(problem)):
        load_vocabulary(path)


def test_an_event_without_an_entry_and_an_entry_without_an_event_are_refused() -> None:
    with pytest.raises(VocabularyError, match=r"user\.married: has no entry"):
        VOCABULARY.must_match({*Event, "user.married"})
    with pytest.raises(VocabularyError, match=r"user\.deleted: nobody writes it"):
        VOCABULARY.must_match(set(Event) - {Event.USER_DELETED})


def test_a_line_with_an_undeclared_fact_field_or_target_is_a_programming_error() -> None:
    entry = VOCABULARY.entries[Event.USER_CHANGED]
    entry.must_allow("user", {"before": {"name": "a"}, "after": {"name": "b"}, "visit": "x"})
    for target, facts, problem in (
        ("role", {}, "is not about 'role'"),
        (None, {}, "is not about 'nothing'"),
        ("user", {"password": "x"}, "has no fact 'password'"),
        ("user", {"before": {"password": "x"}}, "has no field 'password'"),
    ):
        with pytest.raises(VocabularyError, match=problem):
            entry.must_allow(target, facts)


def test_whoever_looks_for_lines_chooses_among_all_families_and_events() -> None:
    offered = choices("fr")
    assert [label for _, label, _ in offered[:3]] == ["Adresses e-mail", "Clés d’API", "Compte"]
    assert {family: events for family, _, events in offered}["department"] == [
        ("department.created", "Département créé"),
        ("department.changed", "Département modifié"),
    ]
    every = {event for _, _, events in offered for event, _ in events}
    assert every == set(VOCABULARY.entries) - {"document.*"}
