"""Evidence for auditors: a folder that can be checked without this service or its database."""
