"""Tables for spreadsheets: cells come back as they went in, none is computed, and nobody's clients stand in another's table."""

import csv
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import httpx
import pytest

from service import client_tables, csv_files
from service.embedded import Addresses
from tenants.csv_text import csv_text, not_a_formula
from tenants.house import House
from tests import make
from tests.api import Api
from tests.clients import reckoned, use
from tests.make import Company, Person
from tests.tenants.rows import sql

BOM = b"\xef\xbb\xbf"
NAMES = [
    'Chez "Paul"',
    "Dupont; Fils",
    "Été, automne & Cie",
    "=SUM(A1:A9)",
    "+33 1 40",
    "-1",
    "@cmd",
    "\uff1d1+1",
    "'quoted'",
    "a=b",
]


@pytest.fixture
async def seller(api: Api, house: House) -> Company:
    """A reseller whose administrator has signed in."""
    made = await make.company(house, "Resale", kind="reseller", staff=0)
    await api.sign_in(made.administrator)
    return made


async def table(api: Api, path: str, by: Person, language: str = "en", **query: Any) -> list[dict[str, str]]:
    """The rows of an export, as Python's own module reads them."""
    answer = await api.get(path, by=by, params=query, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return rows_of(answer, ";" if language == "fr" else ",")


def rows_of(answer: httpx.Response, separator: str) -> list[dict[str, str]]:
    """Cells by their headings."""
    assert answer.content.startswith(BOM)
    text = answer.content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    return list(csv.DictReader(StringIO(text, newline=""), delimiter=separator, strict=True))


@pytest.mark.parametrize("language", ["fr", "en"])
def test_texts_come_back_as_they_went_in(language: str) -> None:
    texts = ['He said "no"', "one;two,three", "first\nsecond\r\nthird", "", "'", "été €", "a\tb", "1,5"]
    read = csv.reader(StringIO(csv_text(language, [texts]), newline=""), delimiter=";" if language == "fr" else ",", strict=True)
    assert list(read) == [texts]


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "+1",
        "-1",
        "@a",
        "\t1",
        "\r1",
        "\n1",
        " =1",
        "\u00a0\u200b=1",
        "\ufeff=1",
        "\t=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
        " \uff1d1",
        "=",
        "-",
    ],
)
def test_x8_what_a_spreadsheet_would_compute_stands_behind_an_apostrophe(text: str) -> None:
    assert not_a_formula(text) == f"'{text}"
    assert csv_text("en", [[text]]) == f'"\'{text}"\r\n'


@pytest.mark.parametrize("text", ["", " ", "a=1", "1-1", "(=1)", "'=1", "é", "\u200b"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert not_a_formula(text) == text


def test_numbers_and_dates_are_written_as_the_readers_office_writes_them() -> None:
    row = [-3, 12.5, None, date(2026, 3, 1), datetime(2026, 3, 1, 23, 59, 59, 999, tzinfo=UTC)]
    assert csv_text("fr", [row]) == '-3;"12,5";"";"2026-03-01";"2026-03-01 23:59:59"\r\n'
    assert csv_text("en", [row]) == '-3,"12.5","","2026-03-01","2026-03-01 23:59:59"\r\n'


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_clients_come_back_by_name_whatever_they_are_called(
    api: Api, house: House, servers: Addresses, seller: Company, language: str
) -> None:
    for number, name in enumerate(NAMES):
        client = await make.company(house, f"C{number}", parent=seller, staff=0)
        answer = await api.patch(f"/accounts/{client.account_id}", {"name": name}, by=seller.administrator)
        assert answer.status_code == 200, answer.text
    rows = await table(api, "/accounts/export", seller.administrator, language)
    computed = [name for name in NAMES if name[0] in "=+-@\uff1d"]
    expected = {f"'{name}" if name in computed else name for name in NAMES}
    assert len(computed) == 5
    assert {row["Client"] for row in rows} == expected
    assert len(rows) == len(NAMES)


async def test_headings_and_words_are_in_the_readers_language(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, staff=1, seats=10)
    await use(servers, acme.account_id, days_ago=0, peak=10, refused=2)
    await reckoned(house, acme.account_id)
    await api.patch(f"/accounts/{acme.account_id}", {"status": "suspended"}, by=seller.administrator)
    (french,) = await table(api, "/accounts/export", seller.administrator, "fr")
    (english,) = await table(api, "/accounts/export", seller.administrator, "en")
    assert list(french)[:5] == ["Client", "Nom court", "Statut", "Formule", "Places"]
    assert french["Statut"] == "Suspendu"
    assert french["À surveiller"] == "Connexions refusées, Places presque toutes occupées"
    assert english["Status"] == "Suspended"
    assert english["Needs attention"] == "Sign-ins refused, Almost all places in use"
    named = ("Short name", "Places", "Users", "Most places in use (30 days)", "Refusals (30 days)", "End of the licence")
    assert [english[name] for name in named] == ["acme", "10", "2", "10", "2", ""]
    created = datetime.strptime(english["Created (UTC)"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60


async def test_a_browser_saves_it_under_a_name_that_is_safe(api: Api, seller: Company) -> None:
    names = {"/accounts/export": "clients", "/usage/export": "usage", "/account/seats/export": "seats"}
    for path, name in names.items():
        answer = await api.get(path, by=seller.administrator)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
        assert answer.headers["cache-control"] == "no-store"
        assert len(rows_of(answer, ",")) == (1 if name == "seats" else 0)

    async def none() -> Any:
        return
        yield

    made = await csv_files.csv_file('a"; x=\r\n/../é b', "en", ["x"], none())
    assert made.headers["content-disposition"] == 'attachment; filename="a-x-b.csv"'


async def test_usage_is_written_with_tenths_of_minutes(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    await make.company(house, "Idle", parent=seller, staff=0)
    await use(servers, acme.account_id, days_ago=1, peak=4, refused=3)
    await reckoned(house, acme.account_id)
    french = await table(api, "/usage/export", seller.administrator, "fr")
    assert [row["Client"] for row in french] == ["Acme", "Idle"]
    assert list(french[0].values()) == ["Acme", "acme", "10", "4", "3", "3", "1,5", "1,0", "Connexions refusées"]
    assert list(french[1].values())[3:] == ["0", "0", "0", "0,0", "0,0", ""]
    assert (await table(api, "/usage/export", seller.administrator, attention="any", to="2020-01-01"))[0]["Refusals"] == "0"


async def test_an_account_exports_its_own_days_oldest_first(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    await use(servers, acme.account_id, days_ago=29, peak=4)
    await use(servers, acme.account_id, days_ago=30, peak=9)
    await use(servers, seller.account_id, days_ago=2, peak=8)
    await api.sign_in(acme.administrator)
    rows = await table(api, "/account/seats/export", acme.administrator)
    assert [row["Most places in use"] for row in rows] == ["4", "1"]
    assert rows[0]["Day"] < rows[1]["Day"]
    assert (await api.get("/accounts/export", by=acme.administrator)).status_code == 403


async def test_tables_of_many_pieces_hold_every_client_once_and_no_grandchild(
    api: Api, house: House, seller: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tables, "_ROWS_AT_ONCE", 2)
    below = await make.company(house, "Below", kind="reseller", parent=seller, staff=0)
    await make.company(house, "Grandchild", parent=below, staff=0)
    await make.company(house, "Theirs", staff=0)
    for name in ("A", "B", "C", "D"):
        await make.company(house, name, parent=seller, staff=0)
    for path in ("/accounts/export", "/usage/export"):
        rows = await table(api, path, seller.administrator)
        assert [row["Client"] for row in rows] == ["A", "B", "Below", "C", "D"]
        assert [row["Client"] for row in await table(api, path, seller.administrator, q="bel")] == ["Below"]


async def test_a_table_that_breaks_off_is_no_whole_one(
    api: Api, house: House, seller: Company, servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tables, "_ROWS_AT_ONCE", 1)
    for name in ("A", "B"):
        await make.company(house, name, parent=seller, staff=0)
    # A zone that no clock knows: no card can be made of the second one.
    await sql(servers, "UPDATE accounts SET time_zone = 'Nowhere/At_All' WHERE name = 'B'")
    await sql(
        servers,
        "INSERT INTO boosts (account_id, id, seats, starts_at, days, from_minute, to_minute, by_name) "
        "SELECT id, gen_random_uuid(), 1, now() - interval '1 day', '{1,2,3,4,5,6,7}', 0, 1440, 'x' FROM accounts WHERE name = 'B'",
    )
    with pytest.raises(Exception, match="after response started"):
        await api.get("/accounts/export", by=seller.administrator)
