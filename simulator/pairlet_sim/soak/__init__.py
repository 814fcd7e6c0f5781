"""Device-years in minutes: the real agent in virtual time, with everything around it simulated.

A seed is a life: eras of good and bad weather, drawn by chance. The rules of a paired device are
asked at every step; the same seed goes the same way every time.
"""
