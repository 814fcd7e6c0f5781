"""Who signed in (OpenID Connect): the ID token as it passes by, checked, told once, and thrown away."""
