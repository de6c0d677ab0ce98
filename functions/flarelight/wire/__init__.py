"""The shapes of this API's requests and answers, and their ways to and from the core.

`common` has what all groups share, and each group its own module: a function imports only the models that it serves.
"""
