"""The Flarelight API.

Base path: none; paths are in Pascal case, names in camel case. Authentication: `X-Api-Key: KEY` with
`X-Subscription-Id: UUID`. Paging: `start` and `count` for rows, `after` and `count` for lists, which the document
answers whole. Every answer is `{"data", "messages"}`; errors have a null `data`, and messages of the type `error`.
"""
