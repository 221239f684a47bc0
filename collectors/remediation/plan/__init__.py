"""Findings and books → ordered steps, safest first, each with what it frees and why it is where it is. Pure."""

from __future__ import annotations

from collectors.remediation.plan.keep import Rules
from collectors.remediation.plan.make import plan

__all__ = ["Rules", "plan"]
