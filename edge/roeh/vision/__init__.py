"""Seeing: model runner and decoder, tile scheduling, tracking in metres, rules."""
