"""Draws screens of a terminal, kept with their colours, as SVG.

    draw.py FROM TO

Each FROM/NAME.ansi becomes TO/NAME.svg. The fonts are the reader's own: a picture fetches nothing.
"""

import io
import pathlib
import re
import sys

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console


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
    svg = console.export_svg(title="chinwag", unique_id=name)
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: ui-monospace, monospace")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).strip() + "\n"


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    screens = sorted(source.glob("*.ansi"))
    if not screens:
        sys.exit(f"no screens in {source}")
    target.mkdir(parents=True, exist_ok=True)
    for screen in screens:
        picture = target / f"{screen.stem}.svg"
        picture.write_text(draw(screen.read_text("utf-8"), f"chinwag-{screen.stem}"), "utf-8")
        print(picture)


main(*map(pathlib.Path, sys.argv[1:]))
