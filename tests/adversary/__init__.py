"""Somebody who does the worst thing at the worst moment, while a reclaim runs on a real engine.

`python -m tests.adversary` takes every action that removes something × every moment of it × every hostile act, does
them one after the other in a lab, and compares what is there afterwards with what may be gone. See `interleave`.
"""
