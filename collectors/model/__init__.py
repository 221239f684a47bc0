"""The shared vocabulary: frozen dataclasses, standard library only.

Nothing here reads, formats or judges. Every other package may import this one; it imports none of them.
"""
