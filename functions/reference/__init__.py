"""The reference API.

Base path `/v1`. Authentication: `Authorization: Bearer KEY`. Paging: `page` and `per_page`, answered by `pagination`
and `links`. Errors: `{"error": {"code", "message", "field", "request_id"}}`, codes in upper case.
"""
