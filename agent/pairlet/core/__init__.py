"""The core: pure values and machines. No input, output, clock or randomness of its own."""
