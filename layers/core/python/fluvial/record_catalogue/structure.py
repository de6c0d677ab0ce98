"""How a foundation is divided, and where things are: programs, initiatives, countries, states, themes."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import flag, integer, many, model, one, string, text

PROGRAM = model(
    "program",
    "Programs, by which grants are given.",
    string("name", "Name of the program.", required=True),
    text("description", "What the program is for."),
    flag("retired", "Whether it is used no more."),
    flag("rollup", "Whether it only sums up others."),
    integer("display_order", "Place in lists."),
    one("parent_id", "program", "Program to which it belongs.", aliases=("parent_program_id", "parent_program")),
    many("children_programs", "program", "parent_id", "Programs that belong to it."),
    many("sub_programs", "sub_program", "program_id", "Its sub-programs."),
    many("initiatives", "initiative", "program_id", "Its initiatives."),
    many("grant_requests", "grant_request", "program_id", "Requests in it.", aliases=("request_ids", "requests")),
)

SUB_PROGRAM = model(
    "sub_program",
    "Parts of programs.",
    string("name", "Name of the sub-program.", required=True),
    text("description", "What the sub-program is for."),
    flag("retired", "Whether it is used no more."),
    integer("display_order", "Place in lists."),
    one("program_id", "program", "Program to which it belongs."),
    many("initiatives", "initiative", "sub_program_id", "Its initiatives."),
    many("grant_requests", "grant_request", "sub_program_id", "Requests in it.", aliases=("request_ids", "requests")),
)

INITIATIVE = model(
    "initiative",
    "Initiatives of programs and sub-programs.",
    string("name", "Name of the initiative.", required=True),
    text("description", "What the initiative is for."),
    flag("retired", "Whether it is used no more."),
    integer("display_order", "Place in lists."),
    one("program_id", "program", "Program to which it belongs."),
    one("sub_program_id", "sub_program", "Sub-program to which it belongs."),
    many("sub_initiatives", "sub_initiative", "initiative_id", "Its parts."),
    many("grant_requests", "grant_request", "initiative_id", "Requests in it.", aliases=("request_ids", "requests")),
)

SUB_INITIATIVE = model(
    "sub_initiative",
    "Parts of initiatives.",
    string("name", "Name of the sub-initiative.", required=True),
    text("description", "What the sub-initiative is for."),
    flag("retired", "Whether it is used no more."),
    integer("display_order", "Place in lists."),
    one("initiative_id", "initiative", "Initiative to which it belongs."),
    many(
        "grant_requests", "grant_request", "sub_initiative_id", "Requests in it.", aliases=("request_ids", "requests")
    ),
)

GEO_COUNTRY = model(
    "geo_country",
    "Countries.",
    string("name", "Name of the country.", required=True),
    string("iso2", "Two letters of ISO 3166."),
    string("iso3", "Three letters of ISO 3166."),
    string("abbreviation", "Name in short."),
    string("fips104", "Code of FIPS 10-4."),
    many("geo_states", "geo_state", "geo_country_id", "Its states."),
    many("organizations", "organization", "geo_country_id", "Organizations in it."),
)

GEO_STATE = model(
    "geo_state",
    "States and provinces of countries.",
    string("name", "Name of the state.", required=True),
    string("abbreviation", "Name in short."),
    string("code", "Code of ISO 3166-2."),
    string("fips_10_4", "Code of FIPS 10-4."),
    one("geo_country_id", "geo_country", "Country of the state."),
    many("organizations", "organization", "geo_state_id", "Organizations in it."),
)

MODEL_THEME = model(
    "model_theme",
    "Themes: kinds of records of one class, such as grants and fellowships.",
    string("name", "Name of the theme.", required=True),
    text("description", "What the theme is for."),
    string("model_type", "Class of the records, such as GrantRequest."),
    flag("retired", "Whether it is used no more."),
    many("grant_requests", "grant_request", "model_theme_id", "Requests of this theme."),
)

CLASSES = (PROGRAM, SUB_PROGRAM, INITIATIVE, SUB_INITIATIVE, GEO_COUNTRY, GEO_STATE, MODEL_THEME)
