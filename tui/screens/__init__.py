"""The six views and the modals. A view lays widgets out and hands each its part of the state.

`View` is what they are based on; it holds no state of the machine.
"""

from __future__ import annotations

from textual.containers import Container

from tui.view_models.state import DashboardState


class DashboardView(Container):
    """`show` draws a state of the dashboard; `focus_first` says where the keys go."""

    def show(self, state: DashboardState) -> None:
        raise NotImplementedError

    def show_second(self, state: DashboardState) -> None:
        """What changes each second; most views show scans alone."""

    def focus_first(self) -> None:
        """Put the focus where arrows make sense."""
        raise NotImplementedError
