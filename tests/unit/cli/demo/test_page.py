"""The report page: foreign text is escaped, figures lean right, sentences left."""

from edgescale.cli.demo.page import Section, Still, Table, page
from edgescale.cli.demo.plot import Panel, Point, accuracy_latency_svg

EVIL = '<script>alert("x")</script>'


def test_foreign_text_never_becomes_markup() -> None:
    section = Section(EVIL, (EVIL,), (Table((EVIL,), ((EVIL,),)),), stills=(Still(b"jpeg", EVIL),))
    html = page(EVIL, EVIL, [section])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 9  # the caption stands twice, the title twice


def test_the_page_needs_nothing_from_outside() -> None:
    html = page("t", "f", [Section("h", svg="<svg></svg>", stills=(Still(b"x", "c"),))])
    assert 'src="data:image/jpeg;base64,' in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_chosen_row_is_marked() -> None:
    html = page("t", "f", [Section("h", tables=(Table(("a",), (("x",), ("y",)), chosen=1),))])
    assert '<tr class="chosen"><td>y</td>' in html
    assert '<tr class=""><td>x</td>' in html


def test_the_picture_shows_every_variant_and_budget() -> None:
    panel = Panel(
        "family", "top-1, %",
        (Point("phi0", 1.0, 90.0, (88.0, 92.0)), Point("phi1", 2.0, 91.0, None)),
        ((1.5, "latency budget"),),
    )  # fmt: skip
    svg = accuracy_latency_svg([panel])
    assert svg.startswith("<svg")
    for text in ("phi0", "phi1", "latency budget", "family"):
        assert f"<!-- {text} -->" in svg
