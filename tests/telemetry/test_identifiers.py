"""What may name a model, a team, a version, a feature or a proxy: at the edges of what is allowed, and beyond them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.identifiers import check_feature, check_name, check_proxy, check_version

# Ends a line, hides, turns the writing direction, breaks a file: none is to be seen in a name.
UNSEEN = [
    "\x00",
    "\t",
    "\n",
    "\r",
    "\x1b",
    "\x7f",
    "\x85",
    "\u200b",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\ud800",
    "\U000e0001",
]


@pytest.mark.parametrize("name", ["a", "0", "fraud", "a-b", "a--b", "0-0", "a" * 63, "a" + "-" * 61 + "b"])
def test_names_of_models_and_teams(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 64,
        "A",
        "fRaud",
        "-a",
        "a-",
        "-",
        "a_b",
        "a.b",
        "a b",
        " a",
        "a ",
        "a/b",
        "..",
        "a:b",
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        "\N{FULLWIDTH LATIN SMALL LETTER A}",
        *(f"a{unseen}b" for unseen in UNSEEN),
        *(f"a{unseen}" for unseen in UNSEEN),
    ],
)
def test_what_names_no_model(name: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 63 lower-case letters, digits and hyphens"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "0", "approval_rate", "a-b", "a__b", "a" * 63, "a" + "_" * 61 + "b"])
def test_proxies(name: str) -> None:
    assert check_proxy(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * 64, "A", "_a", "a_", "-a", "a.b", "a b", "a/b", "..", *(f"a{unseen}b" for unseen in UNSEEN), "a\n"],
)
def test_what_names_no_proxy(name: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 63 lower-case letters, digits, underscores and hyphens"):
        check_proxy(name)


@pytest.mark.parametrize("version", ["1", "v1", "V1.2.3", "2026-07-01_a", "0.", "a..b", "a" * 64, "9" + "-" * 63])
def test_versions(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.parametrize(
    "version",
    [
        "",
        "a" * 65,
        ".",
        "..",
        ".1",
        "-1",
        "_1",
        "v 1",
        " v1",
        "v1 ",
        "v/1",
        "v+1",
        "v1|v2",
        "v@1",
        "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
        "v\N{SUPERSCRIPT TWO}",
        *(f"v{unseen}1" for unseen in UNSEEN),
        *(f"v1{unseen}" for unseen in UNSEEN),
    ],
)
def test_what_names_no_version(version: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 64 letters, digits, dots, underscores and hyphens"):
        check_version(version)


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "two words",
        'a"b\\c',
        "{{ x }}",
        "${x}",
        "../x",
        "<b>",
        "\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}",
        "\u7279\u5fb4",
        "\N{ROCKET}",
        "f" * 128,
        "\N{ROCKET}" * 128,
    ],
)
def test_features_are_free_text(name: str) -> None:
    assert check_feature(name) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "has 0"),
        ("f" * 129, "has 129"),
        ("\N{ROCKET}" * 129, "has 129"),
        (" x", "spaces at its ends"),
        ("x ", "spaces at its ends"),
        ("x\N{NO-BREAK SPACE}", "spaces at its ends"),
        (" ", "spaces at its ends"),
        *((f"a{unseen}b", "control characters") for unseen in UNSEEN),
    ],
)
def test_what_names_no_feature(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_feature(name)


@given(st.text(max_size=140))
def test_whatever_passes_as_a_feature_stands_on_one_line_and_can_be_written_down(name: str) -> None:
    try:
        check_feature(name)
    except ValueError:
        return
    assert len(name.splitlines()) == 1
    assert name.encode("utf-8").decode("utf-8") == name
    assert 1 <= len(name) <= 128
