"""Draws recorded terminal screens as SVG.

    draw.py FROM TO PATTERN...

Each FROM/NAME.ansi whose name matches a pattern becomes TO/NAME.svg. A name with "light" is of a light terminal.
Pictures use the fonts of the reader and fetch nothing.
"""

import io
import pathlib
import re
import sys

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme

# The colours of the terminals in tests/it/support/terminal.rs. The screens choose all others.
DARK = TerminalTheme((28, 28, 28), (218, 218, 218), [(0, 0, 0)] * 8)
LIGHT = TerminalTheme((255, 255, 255), (40, 40, 40), [(0, 0, 0)] * 8)


def draw(screen: str, name: str) -> str:
    lines = list(AnsiDecoder().decode(screen.rstrip("\n")))
    width = max(cell_len(line.plain) for line in lines)
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop", soft_wrap=True)
    theme = LIGHT if "light" in name else DARK
    svg = console.export_svg(title="chinwag", unique_id=name, theme=theme)
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: ui-monospace, monospace")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).strip() + "\n"


def main(source: str, target: str, *patterns: str) -> None:
    for pattern in patterns:
        screens = sorted(pathlib.Path(source).glob(f"{pattern}.ansi"))
        if not screens:
            raise SystemExit(f"no screen in {source} matches {pattern}")
        for screen in screens:
            name = screen.relative_to(source).with_suffix("")
            picture = pathlib.Path(target, name).with_suffix(".svg")
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_text(draw(screen.read_text("utf-8"), f"chinwag-{name.name}"), "utf-8")
            print(picture)


main(*sys.argv[1:])
