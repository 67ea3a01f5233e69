"""What people read: tables on a terminal, pictures in files."""
