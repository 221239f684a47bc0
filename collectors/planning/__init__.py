"""Findings and books → ordered steps, safest first, each with what it frees and why it is where it is. Pure."""

from __future__ import annotations

from collectors.planning.build_plan import build_plan

__all__ = ["build_plan"]
