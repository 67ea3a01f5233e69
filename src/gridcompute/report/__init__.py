"""Pages for people: one self-contained HTML file, pictures and tables, no scripts."""

from __future__ import annotations

from .page import page, write_page

__all__ = ["page", "write_page"]
