"""What is measured, by name: two paths, and three contestants on each."""

QCONFIGS, ANNOTATIONS = "qconfigs", "annotations"
"""What says which values are observed: qconfigs and a backend, or annotations of the graph."""

REFERENCE, FLOOR = "reference", "floor"

UPSTREAM = {QCONFIGS: "torch", ANNOTATIONS: "torchao"}
"""Whose `prepare` the reference is measured against, path by path."""
