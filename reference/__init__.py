"""The executable specification of `prepare`: what goes where, and why."""

from .entry import RefusalError
from .plan import Plan
from .prepare import place, plan, prepare, survey

__all__ = ["Plan", "RefusalError", "place", "plan", "prepare", "survey"]
