"""The report: one HTML page without scripts or outside files; every foreign text is escaped."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light dark; --line: #d5dae1; --soft: #f4f6f8; --ink: #1c2733;
        --mark: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4654; --soft: #1d2732; --ink: #e6ebf0; --mark: #7db4f0; }
  body { background: #131a22; } .plot { background: #fff; border-radius: 6px; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 1240px;
       margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.facts { color: color-mix(in srgb, var(--ink) 70%, transparent); margin-top: 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
.scroll + .scroll { margin-top: 1rem; } .stills { margin-top: 1rem; }
th, td { padding: .28rem .55rem; border-bottom: 1px solid var(--line); text-align: right;
         font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { background: var(--soft); }
table.words th, table.words td { text-align: left; white-space: normal; }
tr.chosen td { font-weight: 600; color: var(--mark); }
.plot svg { max-width: 100%; height: auto; } figure { margin: 0; }
.stills { display: flex; flex-wrap: wrap; gap: .8rem; } .stills figure { flex: 1 1 230px; }
.stills img { width: 100%; border-radius: 6px; } figcaption { font-size: 13px; }
code { background: var(--soft); padding: .05rem .3rem; border-radius: 3px; }
"""


@dataclass(frozen=True)
class Table:
    """Headings and rows of plain text; ``chosen`` is the row to mark.

    ``words`` is a table of sentences, which lean to the left; figures lean to the right.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    chosen: int | None = None
    words: bool = False


@dataclass(frozen=True)
class Still:
    """One annotated frame as JPEG bytes with a caption."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the page: heading, paragraphs, tables, one SVG drawing, stills."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    svg: str = ""  # drawn by us, not escaped
    stills: tuple[Still, ...] = ()


def page(title: str, facts: str, sections: Sequence[Section]) -> str:
    """Returns the whole page.

    Args:
        title: its heading.
        facts: one line under it: machine, runtime, time.
        sections: its parts in order.
    """
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="facts">{escape(facts)}</p>\n{body}\n</body></html>\n'
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    if section.svg:
        parts.append(f'<figure class="plot">{section.svg}</figure>')
    parts += [_table(table) for table in section.tables]
    if section.stills:
        stills = "".join(_still(still) for still in section.stills)
        parts.append(f'<div class="stills">{stills}</div>')
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(
        f'<tr class="{"chosen" if index == table.chosen else ""}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>\n"
        for index, row in enumerate(table.rows)
    )
    kind = "words" if table.words else "figures"
    return f'<div class="scroll"><table class="{kind}"><tr>{head}</tr>\n{rows}</table></div>'


def _still(still: Still) -> str:
    data = base64.b64encode(still.jpeg).decode("ascii")
    caption = escape(still.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
