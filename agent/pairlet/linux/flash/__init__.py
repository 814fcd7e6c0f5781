"""Puts the firmware onto a MicroPython board over its serial port. `commands_flash` joins the parts."""
