"""The pages: each reads what it shows through a use case, and each form calls one."""
