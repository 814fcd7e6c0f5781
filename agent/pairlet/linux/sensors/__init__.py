"""The Sensors port on Linux: what is built in, functions in Python, and commands that print JSON."""
