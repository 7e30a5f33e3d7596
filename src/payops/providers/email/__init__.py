"""E-mail to the people on duty."""
