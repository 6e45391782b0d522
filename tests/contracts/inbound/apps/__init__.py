"""Seven small apps that behave the same, each written the way its framework wants it."""
