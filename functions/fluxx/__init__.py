"""The Fluxx API: `https://<host>/v1`, records of any class below `/api/rest/v2` (and `/api/rest/v1`).

Authentication: `Authorization: Bearer <access token>`, which `POST /oauth/token` makes; an API key will do, too.
Paging: `page` (from 1) and `per_page` (25, at most 500); `total_pages` and `total_entries` in the answer.
Errors: HTTP 200 with `{"error": {"code": 100, "message": …}}`, for clients of this API try others for ever. A 401 is a
bad token, a 429 a limit that is used up.
"""
