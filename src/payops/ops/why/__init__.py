"""Why a withdrawal or a deposit is where it is: its whole story, in order, and proven."""
