"""The addresses, what they take and answer, and their OpenAPI."""
