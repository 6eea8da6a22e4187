"""Proofs for orchestrators: a crash at every step, and a grade with the reasons for it."""

from durablenb.lab.crash_report import Crash, CrashReport, Fault
from durablenb.lab.crashing import crash_everywhere
from durablenb.lab.grading import Grade, Part, grade
from durablenb.lab.world import World

__all__ = ["Crash", "CrashReport", "Fault", "Grade", "Part", "World", "crash_everywhere", "grade"]
