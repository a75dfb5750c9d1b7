"""The page that a pole serves: how it is. Retrieval of evidence comes later."""
