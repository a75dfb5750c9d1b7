"""Who is let in: TLS, limits, what every request has to be like."""
