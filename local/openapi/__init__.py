"""The OpenAPI document of each API, made of what serves: `python -m local.openapi`, or `make openapi`.

    apis       which APIs there are, and their groups: read from template.yaml
    document   the whole document: routes become operations, their models schemas
    schemas    JSON Schema of the models, by pydantic
    refusals   which errors a route can answer, worded by the API itself
    examples   requests and answers, from the contract that the tests execute
    events     what webhooks are sent

The files are committed and served as they are (`fluvial.http.documentation`); a test makes them again and compares.
An API is a folder of `functions/` with

    errors.py        how it words errors: an app's `render`
    wire/errors.py   `ErrorBody`, the model of what `render` makes; nothing else imports it
    about.md         the document's title, and what there is to say beside the operations
"""
