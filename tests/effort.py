"""How long properties look: briefly in every run, long where somebody explores.

`make test ARGS=--hypothesis-profile=explore` tries as many examples as there were before a run had
to be short, and other ones each time.
"""

from hypothesis import settings


def examples(brief, long):
    """Return how many examples a property tries under the profile of this run."""
    return brief if settings.default is not None and settings.default.derandomize else long
