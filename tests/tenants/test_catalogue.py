"""The catalogue: what it gives to each role, and the precise sentence for whatever is wrong with a file."""

from pathlib import Path

import pytest

from tenants.catalogue import OWN_RIGHTS, CatalogueError, load_catalogue

DEFAULT = (Path(__file__).parents[2] / "tenants" / "catalogue.toml").read_text(encoding="utf-8")


def test_the_default_one_gives_its_roles_what_it_says() -> None:
    catalogue = load_catalogue()
    assert list(catalogue.roles) == ["administrator", "simple_administrator", "user", "user_without_deletion", "accountant"]
    assert list(catalogue.plans) == ["basic", "standard", "pro", "enterprise"]
    assert set(catalogue.rights) >= OWN_RIGHTS
    assert catalogue.role_rights("administrator", "client") == catalogue.rights_of("client")
    assert "clients.view" not in catalogue.rights_of("client")
    assert "platform.view" not in catalogue.rights_of("reseller")
    assert "platform.view" in catalogue.rights_of("operator")
    lacks = catalogue.rights_of("operator") - catalogue.role_rights("simple_administrator", "operator")
    assert lacks == {
        "account.manage",
        "licence.manage",
        "integrations.view",
        "integrations.manage",
        "roles.manage",
        "platform.view",
        "platform.manage",
    }
    deletes = catalogue.role_rights("user", "client") - catalogue.role_rights("user_without_deletion", "client")
    assert {right.split(".")[1] for right in deletes} == {"delete"}
    assert catalogue.role_rights("nobody", "client") == frozenset()
    assert (catalogue.plans["pro"].users, catalogue.plans["pro"].seats) == (6, 6)
    assert catalogue.plans["standard"].users is None


def test_rights_travel_as_bits() -> None:
    catalogue = load_catalogue()
    for role in catalogue.roles:
        rights = catalogue.role_rights(role, "client")
        assert catalogue.unmask(catalogue.mask(rights)) == rights
    assert catalogue.unmask(catalogue.mask(frozenset())) == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'actions = ["view", "export"]',
            'actions = ["view", "exprot"]',
            "section 'reports': action 'exprot' is not declared under [actions]",
        ),
        ('actions = ["view", "export"]', 'actions = ["view", "view"]', "section 'reports': action 'view' appears twice"),
        ('key = "reports"', 'key = "dashboard"', "section 'dashboard' appears twice"),
        ('key = "reports"', 'key = "Reports"', "section 'Reports': a key is lower-case"),
        ('"contacts.view", "contacts.edit", "contacts.delete"', '"contacts.see"', "role 'user': 'contacts.see' matches no right"),
        (
            'except = ["account.manage"',
            'except = ["acount.manage"',
            "role 'simple_administrator': except: 'acount.manage' matches no right",
        ),
        ('key = "accountant"', 'key = "user"', "role 'user' appears twice"),
        (
            'label = { fr = "Tableau de bord et chiffres clés", en = "Dashboard and key figures" }',
            'label = { fr = "Tableau" }',
            "section 'dashboard': has no text in 'en'",
        ),
        ('fr = "Consulter", ', 'fr = "", ', "action 'view': has no text in 'fr'"),
        (
            'help = { fr = "Tout, sans aucune restriction", en = "Everything, without restriction" }',
            "help = {}",
            "role 'administrator': help: has no text in 'fr'",
        ),
        ('actions = ["view", "end"]', 'actions = ["view"]', "lacks rights that Portillon's own pages need: sessions.end"),
        ('rights = ["*"]\n[[roles]]', 'rights = ["users.*"]\n[[roles]]', "needs a role 'administrator' with rights"),
        ("seats = 3\n", "seats = 0\n", "plan 'standard': seats = 0 is too small"),
        ("users = 6\n", "users = 0\n", "plan 'pro': users = 0 is too small"),
        ('key = "sessions"', 'key = "connections"', "lacks rights that Portillon's own pages need: sessions.end, sessions.view"),
        (
            'actions = ["view", "end"]\nadministration = true\n',
            'actions = ["view", "end"]\n',
            "section 'sessions': is Portillon's own and needs administration = true",
        ),
        ('"View", reads = true', '"View", read = true', "unknown field `read`"),
        ('key = "pro"', 'key = "basic"', "plan 'basic' appears twice"),
        ('"api", "branding"]', '"everything"]', "plan 'enterprise': unknown option 'everything'; known are "),
        ("seats = 3\n", 'seats = "three"\n', "Expected `int`, got `str`"),
        ("seats = 3\n", "seats = 3\nprice = 9\n", "unknown field `price`"),
        ("[[plans]]", "[[plan]]", ""),
        ("[actions]", "[actions", ""),
    ],
)
def test_a_broken_file_is_told_precisely(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in DEFAULT
    path = tmp_path / "mine.toml"
    path.write_text(DEFAULT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as told:
        load_catalogue(path)
    assert str(told.value).startswith(f"{path}: ")
    assert words in str(told.value)


def test_a_file_in_which_nothing_only_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(DEFAULT.replace(", reads = true", ""), encoding="utf-8")
    with pytest.raises(CatalogueError, match="no action has reads = true"):
        load_catalogue(tmp_path / "mine.toml")


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match=r"binary\.toml"):
        load_catalogue(tmp_path / "binary.toml")


def test_another_file_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(DEFAULT + "\n# one more line\n", encoding="utf-8")
    assert load_catalogue(tmp_path / "mine.toml").digest != load_catalogue().digest
