"""How things stand, on one page: for whoever was just woken."""
