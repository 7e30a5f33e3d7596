"""What a developer's machine needs and a server never loads: a database, demo data."""
