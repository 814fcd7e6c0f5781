"""How the device proves who it is to the authorization server: secrets, signed assertions, certificates."""
