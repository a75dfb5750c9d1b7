"""How loud it is at the pole: a level in decibels, and nothing else of the sound.

Nothing is recorded, and that is a property of the code: samples live in `listening.listen`
alone, piece by piece of 50 ms, and what comes out of it is one number for each piece.
"""
