"""Calls of `prepare` that are right and rare: what drawing reaches seldom or never.

Each is a model, and what makes a call of it out of a plain one.  `misuses.py`
has them beside calls that only look wrong: both must be served.
"""

from __future__ import annotations

from .rare_arguments import RARE_ARGUMENTS
from .rare_backends import RARE_BACKENDS
from .rare_configs import RARE_CONFIGS
from .rare_modules import RARE_MODULES
from .rare_neighbours import RARE_NEIGHBOURS
from .rare_numbers import RARE_NUMBERS
from .rare_patterns import RARE_PATTERNS
from .rare_standalone import RARE_STANDALONE
from .rare_training import RARE_IN_TRAINING
from .rare_values import RARE_VALUES

RARITIES = (
    *(*RARE_BACKENDS, *RARE_PATTERNS, *RARE_ARGUMENTS, *RARE_NEIGHBOURS),
    *(*RARE_CONFIGS, *RARE_NUMBERS, *RARE_MODULES, *RARE_STANDALONE, *RARE_IN_TRAINING, *RARE_VALUES),
)
"""All of them."""
