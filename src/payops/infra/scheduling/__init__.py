"""Timed jobs: one run a slot, however many replicas fire.

``Job`` says what and when, ``Scheduler`` runs it, ``history`` tells what became of it.
"""

from payops.infra.scheduling.runs import JobHistory, Run, Status, delete_history
from payops.infra.scheduling.scheduler import JobRunning, Scheduler, UnknownJob
from payops.infra.scheduling.slots import Job

__all__ = [
    "Job",
    "JobHistory",
    "JobRunning",
    "Run",
    "Scheduler",
    "Status",
    "UnknownJob",
    "delete_history",
]
