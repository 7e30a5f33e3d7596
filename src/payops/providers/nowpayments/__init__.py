"""NOWPayments, a provider of crypto deposits: what it is asked, answers and notifies with."""
