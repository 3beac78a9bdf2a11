"""The executable specification of `prepare`: what goes where, and why."""

from .entry import RefusalError
from .plan import Plan
from .prepare import plan, prepare, survey

__all__ = ["Plan", "RefusalError", "plan", "prepare", "survey"]
