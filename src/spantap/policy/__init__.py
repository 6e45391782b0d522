"""What we decide about an exchange: selected, redacted, kept. Pure."""
