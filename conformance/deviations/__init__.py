"""Known deviations: what an implementation is known to do otherwise, and why that is wrong."""

from .register import Deviation, Register, load

__all__ = ["Deviation", "Register", "load"]
