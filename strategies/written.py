"""Cases that are written by hand: Python by name, in place of a drawn graph.

A rule about size, or about wrong or rare calls, has no use for drawn graphs.  It brings
cases of its own, whose source stands in a table: `scale.py`, `rare_annotations.py`, or `misuses.py` with
`rare.py` and the other `rare_*.py`.
"""

from __future__ import annotations

from .annotations_source import PT2E
from .case import Case, CaseError, Mapping
from .misuses import MISUSES, PLAIN
from .misuses import source as misuse_source
from .rare_annotations import RARE_ANNOTATIONS
from .rare_annotations import source as rare_annotation_source
from .scale import FAMILIES
from .scale import source as scale_source


def written_case(name: str, size: int = 0) -> Case:
    """Return the case with a name, of a size if it has one."""
    if name in RARE_ANNOTATIONS:
        return Case((), (), None, Mapping(), profile=PT2E, has_values=True, written=name)
    return Case((), (), None, Mapping(), written=name, size=size)


def written_source(case: Case) -> str:
    """Return the definitions of a case that is written by hand.

    Raises
    ------
    CaseError
        If there is no such text, or the size is none of its sizes.
    """
    name = case.written
    if name in FAMILIES:
        if case.size < 1:
            raise CaseError(f"{name!r} comes in sizes from 1 on, and not in {case.size}")
        return scale_source(FAMILIES[name], case.size)
    if name == PLAIN:
        return misuse_source(None)
    if name in RARE_ANNOTATIONS:
        return rare_annotation_source(RARE_ANNOTATIONS[name])
    if name in MISUSES:
        return misuse_source(MISUSES[name])
    raise CaseError(
        f"no case is written under the name {name!r}; the tables of scale.py, misuses.py, and rare_annotations.py "
        "have the names"
    )
