"""Cases of `prepare`, and Hypothesis strategies that draw them."""

from .arguments import Arguments, assemble, build
from .case import Case, CaseError
from .cases import cases
from .scripts import script

__all__ = ["Arguments", "Case", "CaseError", "assemble", "build", "cases", "script"]
