# SPDX-License-Identifier: GPL-2.0-only
"""The rows as a picture: a bar for each net ratio, a mark for its goal, a line for the in-tree driver."""

from xml.sax.saxutils import escape

from .report import Figure

# All in pixels; UNIT is the length of a bar as dear as the in-tree driver.
LINE, BAR, LEFT, UNIT, TOP = 18, 11, 290, 400, 54
RIGHT = 110
REACHED, BETWEEN, OVER = "#2a7f4f", "#c98a1b", "#b3372f"
KINDS = ((REACHED, "goal reached"), (BETWEEN, "above its goal"), (OVER, "above the in-tree driver"))


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(text)}</text>'


def _row(this: Figure, y: float) -> list[str]:
    colour = REACHED if this.reached else OVER if this.is_over else BETWEEN
    goal = LEFT + this.row.goal * UNIT
    return [
        _text(LEFT - 8, y + BAR - 1, this.row.name, 'text-anchor="end"'),
        f'<rect x="{LEFT}" y="{y:.0f}" width="{this.ratio * UNIT:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<line x1="{goal:.1f}" x2="{goal:.1f}" y1="{y - 2:.0f}" y2="{y + BAR + 2:.0f}" stroke="#000" '
        'stroke-width="2"/>',
        _text(LEFT + max(this.ratio, 1) * UNIT + 8, y + BAR - 1,
              f"{this.ratio:.2f}  ({this.ours - this.nop:,.0f} / {this.in_tree - this.nop:,.0f})"),
    ]


def svg(title: str, figures: list[Figure]) -> str:
    """The whole picture."""
    width = LEFT + UNIT * max(1.0, *(this.ratio for this in figures)) + RIGHT + 20
    bottom = TOP + LINE * len(figures)
    in_tree = LEFT + UNIT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{bottom + 34}" '
        'font-family="sans-serif" font-size="11">',
        "<!-- SPDX-License-Identifier: GPL-2.0-only -->",
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(10, 18, title, 'font-size="13" font-weight="bold"'),
        _text(in_tree, TOP - 8, "in-tree driver", 'text-anchor="middle"'),
    ]
    for number, (colour, meaning) in enumerate(KINDS):
        parts.append(f'<rect x="{10 + 160 * number}" y="28" width="{BAR}" height="{BAR}" fill="{colour}"/>')
        parts.append(_text(26 + 160 * number, 38, meaning))
    for number, this in enumerate(figures):
        parts += _row(this, TOP + LINE * number)
    parts += [
        f'<line x1="{in_tree}" x2="{in_tree}" y1="{TOP - 4}" y2="{bottom}" stroke="#555" stroke-dasharray="4 3"/>',
        _text(10, bottom + 20, "Instructions per command without those of an io_uring NOP, ours / in-tree; "
              "the black marks are goals."),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
