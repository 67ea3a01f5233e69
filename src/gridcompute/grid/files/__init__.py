"""Folders of problems and plans: read with bounds, written whole."""
