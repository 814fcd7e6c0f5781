"""The world around the device, written from the RFCs alone: it never sees the agent's code.

What it hands out begins with MARK, so that a secret can be told wherever it turns up.
"""

MARK = "hidden-"
