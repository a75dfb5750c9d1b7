"""USB cameras, through Video4Linux."""
