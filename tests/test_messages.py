"""Every text that people read is translated, with the same placeholders, and nothing is translated that nobody says."""

from pathlib import Path

from tests.messages import look, placeholders, texts_of_python, texts_of_template


def test_every_text_has_its_french() -> None:
    assert look().lines == []


def test_texts_are_found_where_they_are_marked(tmp_path: Path) -> None:
    module, page = tmp_path / "a.py", tmp_path / "a.html"
    module.write_text("x = _('One')\nsay('fr', 'Two {n}', n=2)\nview._('Three')\nother('Four')\n", encoding="utf-8")
    page.write_text(
        "{{ _('Five') }}\n{% trans name='x' %}\n  Six {{ name }}\n{% endtrans %}\n{{ other('Seven') }}", encoding="utf-8"
    )
    assert {text for text in texts_of_python(module) if text != "fr"} == {"One", "Two {n}", "Three"}
    assert set(texts_of_template(page)) == {"Five", "Six %(name)s"}


def test_placeholders_are_compared() -> None:
    assert placeholders("{a} of %(b)s") == placeholders("%(b)s et {a}")
    assert placeholders("{a}") != placeholders("{b}")
