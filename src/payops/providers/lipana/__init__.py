"""Lipana, the M-Pesa rail: what it is asked, what it answers, what it calls back with."""
