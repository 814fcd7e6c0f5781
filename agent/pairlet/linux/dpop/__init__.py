"""Tokens bound to a key of the device (DPoP, RFC 9449): the key, its proofs, and who asks for them."""
