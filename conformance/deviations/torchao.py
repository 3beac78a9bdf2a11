"""What torchao's `prepare` of annotated graphs does otherwise than its own documentation says."""

from __future__ import annotations

from .register import Register

REGISTER = Register("torchao", (), library="torchao")
"""The register of torchao's `prepare`."""
