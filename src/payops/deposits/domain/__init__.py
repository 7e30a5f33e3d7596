"""Pure decisions about deposits: states, what must agree, and what an arrival is worth."""
