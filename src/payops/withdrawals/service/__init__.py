"""Use cases: request, send, ask, settle. Each owns its transactions, or joins the caller's."""
