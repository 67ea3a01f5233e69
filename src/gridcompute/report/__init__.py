"""Reports for people: tables on a terminal, pictures in files."""
