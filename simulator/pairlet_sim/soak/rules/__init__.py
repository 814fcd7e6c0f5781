"""What a paired device must never do: each rule a small function that returns words when it is broken.

Witnesses see what the device does, keep what the rules need to know, and ask them at every step.
"""
