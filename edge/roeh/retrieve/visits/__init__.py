"""What a person with a certificate can do, judged first; the API and the pages use it."""
