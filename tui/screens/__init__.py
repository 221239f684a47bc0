"""The five views and the modals. A view lays widgets out and hands each its part of the state."""
