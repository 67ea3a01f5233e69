"""The directive ``run``: code of a page, run by the build, with what it prints and draws below it.

All blocks of a page share one namespace, top to bottom. An error in a block is an error of the
build. Options: ``:hide-code:`` shows the output alone, ``:markdown:`` reads it as Markdown,
``:alt:`` is the alternative text of figures, which must have one.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FIGURES = "_figures"  # below the pages' folder, written again by each build


class Run(SphinxDirective):
    """Run the content and show it."""

    has_content = True
    option_spec = {  # noqa: RUF012
        "hide-code": directives.flag,
        "markdown": directives.flag,
        "alt": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        import matplotlib as mpl

        mpl.use("Agg")
        code = "\n".join(self.content)
        page = self.env.docname
        pages: dict[str, dict[str, Any]] = self.env.temp_data.setdefault("run", {})
        namespace = pages.setdefault(page, {"__name__": "__main__", "figures": 0})
        out: list[nodes.Node] = []
        if "hide-code" not in self.options:
            out.append(nodes.literal_block(code, code, language="python"))
        try:
            printed = _executed(code, f"{page}, line {self.lineno}", namespace)
        except Exception as error:
            raise self.error(f"{type(error).__name__} in a block of {page}: {error}") from error
        if printed and "markdown" in self.options:
            out += self.parse_text_to_nodes(printed)
        elif printed:
            out.append(nodes.literal_block(printed, printed, language="text", classes=["output"]))
        return out + self._figures(page, namespace)

    def _figures(self, page: str, namespace: dict[str, Any]) -> list[nodes.Node]:
        import matplotlib.pyplot as plt

        out: list[nodes.Node] = []
        folder = Path(self.env.srcdir) / FIGURES
        folder.mkdir(exist_ok=True)
        for number in plt.get_fignums():
            namespace["figures"] += 1
            name = f"{page.replace('/', '-')}-{namespace['figures']}.svg"
            plt.figure(number).savefig(folder / name, facecolor="white", metadata={"Date": None})
            if "alt" not in self.options:
                raise self.error(f"{page}, line {self.lineno}: a figure without :alt:")
            out.append(nodes.image(uri=f"/{FIGURES}/{name}", alt=self.options["alt"]))
        plt.close("all")
        return out


#: Where blocks write their files, one folder for a build.
SCRATCH = tempfile.TemporaryDirectory(prefix="pages-")


def _executed(code: str, name: str, namespace: dict[str, Any]) -> str:
    """Run code where it may write files, and return what it prints."""
    printed = io.StringIO()
    with contextlib.chdir(SCRATCH.name), contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), namespace)
    return printed.getvalue().rstrip()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive; pages are read one after the other."""
    app.add_directive("run", Run)
    return {"version": "1", "parallel_read_safe": False}
