"""Tables for a terminal and templates for Markdown; nothing that others wrote becomes markup in them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from observance.conformance.usage import printable

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
"""What means something in the Markdown of GitHub."""


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int, kinds: Mapping[str, str] | None = None
) -> list[str]:
    """Return a table as lines.

    Parameters
    ----------
    columns
        The headings; all columns but the first are right-aligned numbers.
    rows
        A cell for each column.
    width
        How many characters a line may have.
    kinds
        The style of what is in some columns; without it, there is no colour.
    """
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(Text(column), justify="right" if number else "left", style=(kinds or {}).get(column, ""))
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    return _rendered(made, width, bool(kinds))


def side_by_side(headings: tuple[str, str], texts: tuple[str, str], width: int) -> list[str]:
    """Return two texts beside each other, each below its heading, in lines of a width."""
    made = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 3, 0, 0))
    for heading in headings:
        made.add_column(Text(heading), overflow="fold", max_width=width // 2)
    made.add_row(*(Text(printable(text, 2000)) for text in texts))
    return _rendered(made, width, False)


def _rendered(made: Table, width: int, colour: bool) -> list[str]:
    """Return a table as lines."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None)
    console.print(made)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def markdown(template: str, **given: Any) -> str:
    """Return what one of the templates in ``templates/`` makes of some values.

    Whatever a template inserts is text: it is escaped, unless it goes through the filter ``code``.
    """
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_told
    )
    environment.filters["code"] = _code
    return environment.get_template(template).render(given)


class _Verbatim(str):
    """Markdown that is not to be escaped."""


def _told(value: Any) -> str:
    """Return a value as Markdown that shows it as it is."""
    return value if isinstance(value, _Verbatim) else _MARKS.sub(r"\\\1", printable(str(value), 1000))


def _code(value: Any) -> _Verbatim:
    """Return a value as code in Markdown, whatever it has in it; in a table, too."""
    text = printable(str(value), 1000).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return _Verbatim(f"{fence}{pad}{text}{pad}{fence}")
