"""The alerts' SQL: the alerts themselves, what is to be said of them, and the messages."""
