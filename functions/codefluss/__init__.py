"""The Codefluss API.

Base path `/v1`. Authentication: `Authorization: Bearer KEY`. Paging: `cursor` and `limit`, answered by `pagination`.
Answers: `{"success", "data", "meta"}`, names in camel case. Errors: `{"success", "error": {"code", "message",
"details"}}`, codes in upper case. Single things have an ETag, and changes of them take `If-Match`.
"""
