"""The Fluxjiva API.

Base path `/v1`. Authentication: `Authorization: Bearer KEY`. Paging: `limit` and `offset`, answered by `meta`. Every
answer is wrapped in `data`. Errors: `{"error": {"code", "message", "details"}}`, codes in lower case.
"""
