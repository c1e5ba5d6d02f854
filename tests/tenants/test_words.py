"""What people type and what they are sent: texts, addresses, languages, tokens."""

from datetime import date
from uuid import UUID, uuid4

import pytest

from tenants.errors import Invalid, LinkInvalid
from tenants.identities import normal_email
from tenants.languages import chosen_language, written_day
from tenants.texts import like_pattern, one_line, paragraph
from tenants.tokens import Purpose, Signer, decoded, encoded, new_nonce


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("claire@example.com", "claire@example.com"),
        ("  claire@example.com ", None),
        ("Claire.Durand@Example.COM", "claire.durand@example.com"),
        ("claire+news@example.com", "claire+news@example.com"),
        ("cl\u00e9ment@exemple.fr", "cl\u00e9ment@exemple.fr"),
        ("cle\u0301ment@exemple.fr", "cl\u00e9ment@exemple.fr"),
        ("x@xn--exmple-cva.fr", "x@ex\u00e9mple.fr"),
        ("stra\u00dfe@example.com", "stra\u00dfe@example.com"),
        (
            "\u0438\u0432\u0430\u043d@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
            "\u0438\u0432\u0430\u043d@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
        ),
    ],
)
def test_an_address_has_one_normal_form(given: str, key: str | None) -> None:
    if key is None:
        with pytest.raises(Invalid):
            normal_email(given)
    else:
        assert normal_email(given) == key
        assert normal_email(key) == key


def test_two_mailboxes_are_never_one_identity() -> None:
    assert normal_email("stra\u00dfe@example.com") != normal_email("strasse@example.com")
    assert normal_email("x@fa\u00df.de") != normal_email("x@fass.de")


@pytest.mark.parametrize(
    "given",
    [
        "\uff50aypal@example.com",
        "p\u0430ypal@example.com",
        "x@p\u0430ypal.com",
        "\u03b1dmin@example.com",
        "\U0001d41admin@example.com",
    ],
)
def test_letters_that_look_alike_are_refused(given: str) -> None:
    with pytest.raises(Invalid):
        normal_email(given)


def test_a_line_is_one_line() -> None:
    assert one_line("name", "  Zoe\u0301 ", longest=10) == "Zo\u00e9"
    assert one_line("name", "x" * 10, longest=10) == "x" * 10
    for text, problem in (
        ("", "too_short"),
        ("   ", "too_short"),
        ("x" * 11, "too_long"),
        ("a\nb", "control_characters"),
        ("a\tb", "control_characters"),
        ("a\u200db", "control_characters"),
        ("a\ufeffb", "control_characters"),
    ):
        with pytest.raises(Invalid) as told:
            one_line("name", text, longest=10)
        assert (told.value.field, told.value.problem) == ("name", problem)


def test_a_paragraph_may_break_its_lines() -> None:
    assert paragraph("message", "Hello\r\nthere\n", longest=100) == "Hello\nthere"
    for text in ("a\x00", "a\x1b[0m", "a\u202eb"):
        with pytest.raises(Invalid):
            paragraph("message", text, longest=100)


def test_a_search_is_taken_literally() -> None:
    assert like_pattern("q", "100%_\\") == "%100\\%\\_\\\\%"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "fr"), ("", "fr"), ("en", "en"), ("en-GB,en;q=0.9", "en"), ("de,fr;q=0.5,en;q=0.7", "en"), ("de", "fr"), ("*", "fr"),
        ("fr;q=0,en;q=0.1", "en"), ("en;q=bad,fr", "fr"), ("EN-us", "en"), (";;;,,,", "fr"), ("en;q=nan", "fr"), ("x" * 5000, "fr"), ("\x00", "fr"),
    ],
)  # fmt: skip
def test_the_reader_chooses_the_language(header: str | None, language: str) -> None:
    assert chosen_language(header, default="fr") == language


SIGNER = Signer("a key of nobody else, long enough to be one")


def test_a_link_is_the_same_at_every_retry_and_another_after_a_new_nonce() -> None:
    account, row, nonce = uuid4(), uuid4(), new_nonce()
    token = SIGNER.link(Purpose.INVITATION, account_id=account, row_id=row, nonce=nonce)
    assert token == SIGNER.link(Purpose.INVITATION, account_id=account, row_id=row, nonce=nonce)
    claim = SIGNER.claim(Purpose.INVITATION, token)
    assert (claim.account_id, claim.row_id) == (account, row)
    assert SIGNER.opens(claim, Purpose.INVITATION, nonce=nonce)
    assert not SIGNER.opens(claim, Purpose.INVITATION, nonce=new_nonce())


def test_a_link_of_another_kind_place_or_installation_is_not_one() -> None:
    row, nonce = uuid4(), new_nonce()
    token = SIGNER.link(Purpose.PASSWORD_RESET, account_id=None, row_id=row, nonce=nonce)
    assert SIGNER.claim(Purpose.PASSWORD_RESET, token).account_id == UUID(int=0)
    for purpose, signer in (
        (Purpose.INVITATION, SIGNER),
        (Purpose.PASSWORD_RESET, Signer("another key that is long enough as well")),
    ):
        with pytest.raises(LinkInvalid):
            signer.claim(purpose, token)
    raw = decoded(token)
    assert raw is not None
    for position in range(40):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(LinkInvalid):
            SIGNER.claim(Purpose.PASSWORD_RESET, encoded(changed))


@pytest.mark.parametrize("text", ["", "=", "A", "AA=", "A A", "AB", "\u00e9", "A" * 199, "a+b/", "\n"])
def test_only_one_spelling_of_a_token_is_read(text: str) -> None:
    raw = decoded(text)
    assert raw is None or encoded(raw) == text
    with pytest.raises(LinkInvalid):
        SIGNER.claim(Purpose.INVITATION, text)


def test_parts_of_a_tag_cannot_be_shifted() -> None:
    assert SIGNER.tag(Purpose.CURSOR, b"ab", b"c") != SIGNER.tag(Purpose.CURSOR, b"a", b"bc")
    assert SIGNER.tag(Purpose.CURSOR, b"ab") != SIGNER.tag(Purpose.TICKET, b"ab")


@pytest.mark.parametrize(
    ("day", "locale", "long", "full"),
    [
        (date(2026, 12, 1), "fr", "1er d\u00e9cembre 2026", "mardi 1er d\u00e9cembre 2026"),
        (date(2026, 12, 11), "fr", "11 d\u00e9cembre 2026", "vendredi 11 d\u00e9cembre 2026"),
        (date(2026, 12, 1), "en_GB", "1 December 2026", "Tuesday 1 December 2026"),
    ],
)
def test_the_first_of_a_month_is_written_as_the_french_do(day: date, locale: str, long: str, full: str) -> None:
    assert (written_day(day, locale), written_day(day, locale, width="full").replace(",", "")) == (long, full)
