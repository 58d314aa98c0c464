"""Elements of SVG, and a drawing with a title and a description.

HTML and PDF draw the same: colours are attributes, which every reader of SVG understands;
the page's CSS overrides them by class, for dark screens.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 960
"""Of the area that is drawn in, in SVG's units."""

_CLASSES = {
    "bar": {"fill": "#1f5f99"},
    "bar two": {"fill": "#c77f1a"},
    "bar three": {"fill": "#8a8f96"},
    "bar four": {"fill": "#9c2f3f"},
    "silent": {"stroke": "#5a626b", "stroke-width": "0.5"},
    "hatch": {"fill": "#5a626b", "fill-opacity": "0.45"},
    "some": {"fill": "#5a626b"},
    "grid": {"stroke": "#d4d8dd", "fill": "none"},
    "axis": {"stroke": "#1c1f23", "fill": "none"},
    "cell": {"fill": "#1f5f99", "stroke": "#d4d8dd"},
    "outside": {"fill": "none", "stroke": "none"},
    "gap": {"fill": "#9c2f3f"},
    "over": {"fill": "#ffffff"},
}
"""The look of each class in print; the page's CSS has the same names."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, with the words for those who do not see it. The SVG stands alone."""

    title: str
    description: str
    svg: Markup


def tag(name: str, *content: str, kind: str = "", **attributes: object) -> Markup:
    """Return an element; ``text_anchor`` is the attribute text-anchor, ``kind`` the class with its look."""
    given: dict[str, object] = {"class": kind, **_CLASSES[kind]} if kind else {}
    given |= {key.rstrip("_").replace("_", "-"): _number(value) for key, value in attributes.items()}
    written = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in given.items())
    inner = Markup("").join(content)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, inner)


def text(x: float, y: float, words: str, **attributes: object) -> Markup:
    """Return a text at a place."""
    look: dict[str, object] = {"font_family": "system-ui, DejaVu Sans Mono, sans-serif", "font_size": 13}
    return tag("text", words, kind="", x=x, y=y, **look | attributes)


def hatch(name: str) -> Markup:
    """Return the pattern ``url(#name)``: stripes, which also print in black and white."""
    stripe = tag("rect", kind="hatch", width=2, height=6)
    pattern = tag(
        "pattern",
        stripe,
        id=name,
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return tag("defs", pattern)


def drawing(
    name: str, title: str, description: str, box: tuple[float, float, float, float], parts: Iterable[Markup]
) -> Drawing:
    """Put elements into one SVG. ``name`` begins the ids in it, ``box`` is its viewBox."""
    root = tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(str(_number(side)) for side in box),
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )
    return Drawing(title, description, root)


def _number(value: object) -> object:
    """Write a number short, and always the same."""
    if not isinstance(value, float):
        return value
    rounded = round(value, 2)
    return int(rounded) if rounded.is_integer() else rounded
