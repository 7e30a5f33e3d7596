"""Asking the providers of payouts and of deposits, and keeping what differs."""

from payops.reconciliation.service.deposits import DepositReconciliation
from payops.reconciliation.service.payouts import Reconciliation

__all__ = ["DepositReconciliation", "Reconciliation"]
