"""What a page has beside its text: formulas as MathML, a description, pictures of the gallery.

Nothing is fetched when a page is read. An image without an alternative text is a warning, which
ends the build.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import pick_math_environment
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LOG = logging.getLogger(__name__)
LONGEST = 160  # characters of a description that search engines show


def inline_math(writer: Any, node: nodes.Element) -> None:
    """Write a formula of a line."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.Element) -> None:
    """Write a formula of its own, its lines aligned where it has several."""
    text = node.astext()
    several = pick_math_environment(text) == "align*"
    writer.body.append(tex2mathml(text, as_block=True) if not several else aligned(text))
    raise nodes.SkipNode


def aligned(text: str) -> str:
    """Write the lines of a formula below each other."""
    return tex2mathml(rf"\begin{{aligned}}{text}\end{{aligned}}", as_block=True)


class Cards(SphinxDirective):
    """Show the first picture of each page named, and its title, as a link to it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        return [nodes.container(classes=["cards"], pages=list(self.content))]


def fill_cards(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Fill the cards of a page, now that all pages are read, and ask images for a text."""
    for box in list(tree.findall(lambda n: isinstance(n, nodes.container) and "pages" in n)):
        for name in box["pages"]:
            page = app.env.get_and_resolve_doctree(name, app.builder)
            link = nodes.reference(refuri=app.builder.get_relative_uri(docname, name))
            link += next(iter(page.findall(nodes.image))).deepcopy()
            link += nodes.inline(text=app.env.titles[name].astext())
            box += nodes.paragraph("", "", link)
        del box["pages"]
    for image in tree.findall(nodes.image):
        if not image.get("alt", "").strip() or image["alt"] == image["uri"]:
            LOG.warning("%s: no alternative text of %s", docname, image["uri"], location=image)


def describe(_app: Sphinx, _name: str, _template: str, context: dict[str, Any], tree: Any) -> None:
    """Give a page its first paragraph as description."""
    first = next(iter(tree.findall(nodes.paragraph)), None) if tree else None
    if first is None:
        return
    text = " ".join(first.astext().split())
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition(" ")[0] + " ..."
    tag = f'<meta name="description" content="{escape(text)}">'
    context["metatags"] = context.get("metatags", "") + tag


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the above."""
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.add_directive("cards", Cards)
    app.connect("doctree-resolved", fill_cards)
    app.connect("html-page-context", describe)
    return {"version": "1", "parallel_read_safe": False}
