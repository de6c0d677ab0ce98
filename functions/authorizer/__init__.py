"""The Lambda authorizers: two, for the APIs name a credential in two ways. What holds of both is in `identity`."""
