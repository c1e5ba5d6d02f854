"""Whatever colour somebody chose, what is written in it and on it can be read (WCAG 2.2, 1.4.3 and 1.4.11)."""

import random

import pytest

from tenants.colours import accent, contrast, known_colour, text_on

LIGHT, DARK = ("#f6f7f8", "#ffffff", "#eef5f7"), ("#14191c", "#1c2327", "#1d2d33")


def test_contrast_is_what_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("ground", [LIGHT, DARK])
def test_any_colour_is_readable_on_light_and_dark(ground: tuple[str, ...]) -> None:
    chance = random.Random(3)
    colours = ["#000000", "#ffffff", "#777777", "#ffee00", *(f"#{chance.randrange(1 << 24):06x}" for _ in range(500))]
    for colour in colours:
        shades = accent(colour, on=ground)
        assert shades.fill == colour
        assert contrast(text_on(colour), colour) >= 4.5
        assert contrast(shades.on_fill, shades.strong) >= 4.5
        for each in ground:
            assert contrast(shades.link, each) >= 4.5, colour
            assert contrast(shades.edge, each) >= 3, colour


def test_a_colour_that_stands_out_already_is_left_as_it_is() -> None:
    shades = accent("#7a2e8e", on=LIGHT)
    assert (shades.edge, shades.link, shades.on_fill) == ("#7a2e8e", "#7a2e8e", "#ffffff")


def test_a_colour_is_six_hexadecimal_digits() -> None:
    assert known_colour(" #A1B2C3 ") == "#a1b2c3"
    for text in ("", "red", "#abc", "#12345g", "#1234567", "#123456\n;", "#\uff11\uff12\uff13\uff14\uff15\uff16"):
        assert known_colour(text) is None
