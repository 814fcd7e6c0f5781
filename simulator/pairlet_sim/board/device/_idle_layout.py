"""What host and interpreter agree on where idle time is skipped; apart from `_layout`, for it takes heap."""

SKIPPED = 40  # register, 8 bytes, signed: milliseconds skipped since the board was made; written by the board
SKIP = b"k"  # * 4 bytes: milliseconds that the board wants to skip; the answer as below
ANSWER = "<IB"  # how many it may; 1 if something was sent to it since the last question, else 0
