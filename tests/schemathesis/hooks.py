"""What Schemathesis must leave alone, and what it finds that is meant to be so.

Loaded by Schemathesis itself. Every failure that is dropped is dropped for one refusal, by the sentence that the API
gives it, not for a whole operation: any other failure of the same check still fails the run.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import schemathesis

SEED: dict[str, Any] = json.loads(os.environ.get("FLUVIAL_SEED", "{}"))
KEPT = frozenset(SEED.get("kept", ()))
# What ends a thing or changes what a key may do.
ENDING = ("roll_key", "change_role", "roll_secret")
ADDRESS = re.compile(r"(?i)https?://[!-~]+$")


@dataclass(frozen=True, slots=True)
class Meant:
    """A failure that is none: of which check, told by which sentence (a pattern), and why it is so."""

    failure: str
    sentence: str
    why: str


REJECTED = "RejectedPositiveData"
ACCEPTED = "AcceptedNegativeData"

MEANT = (
    Meant(
        ACCEPTED,
        r'"status":"processing"|"id":"ds_\w+"[^}]*"rows":null',
        "In a form everything is text, a null too, and any bytes are taken for a file, to be read later.",
    ),
    Meant(
        ACCEPTED,
        r'^\{"error": ?\{"code": ?(100|403),',
        "The Fluxx API tells refusals with a 200: its clients send again, for ever, whatever is answered with a 4xx.",
    ),
    Meant(
        "MissingHeaderNotRejected",
        r"A POST to one record must say what it stands for",
        "The Fluxx API tells this refusal with a 200, too.",
    ),
    Meant(
        "UnsupportedMethodResponse",
        r"No such route, or not with this method",
        "API Gateway knows no wrong method, only a route that is not there, which is a 404 in our envelope.",
    ),
    Meant(
        REJECTED,
        r"'If-Match' must be an ETag",
        "A defect of Schemathesis 4.32: its coverage phase takes `If-Match: 0` for one that fits the pattern.",
    ),
    Meant(
        REJECTED,
        r"must not be empty: it has to show something",
        "Which characters show something is a matter of Unicode's categories; the document's pattern comes close.",
    ),
    Meant(
        REJECTED,
        r"Give (at least one field to change|'name', 'email' or both)",
        "Null in all fields of a change says nothing; a schema could say so only by listing every combination.",
    ),
    Meant(
        REJECTED,
        r"What this cursor stood at is gone or was moved",
        "A cursor is a position in one list as it is now: whether it is there depends on the list.",
    ),
    Meant(
        REJECTED,
        r"No page is published|\"problems\"",
        "Whether pages make a site depends on all of them.",
    ),
    Meant(
        REJECTED,
        r"\"(field|parameter)\": \"(content|component|components|styles|responsive)\b",
        "What a section or component holds depends on its type: docs/apis.md lists the types, the document has none.",
    ),
    Meant(
        REJECTED,
        r"\"parameter\": \"query\b",
        "Which columns and types a query can use depends on the data; docs/apis.md has the query's fields.",
    ),
    Meant(
        REJECTED,
        r"(The data|Version \d+) has no column",
        "Which columns there are depends on the data.",
    ),
    Meant(
        REJECTED,
        r"'columns' names .* twice|The rows are sorted by .* already",
        "No pattern says that the names in a text differ, and no schema that the columns of a list's entries do.",
    ),
    Meant(
        REJECTED,
        r"'filter(\.\d+)?' must be (a list|an object)",
        "What JSON text in a query holds no schema says: the document can only call it JSON, and have an example.",
    ),
    Meant(
        REJECTED,
        r"'key' means nothing to an import with mode",
        "Schemathesis 4.32 cannot judge a form with a file by a rule for two fields (Unsupported type: 'Binary').",
    ),
    Meant(
        REJECTED,
        r"'options' must be JSON|The options are not a JSON object",
        "What JSON text in a form holds no schema says: the document can only call it JSON.",
    ),
    Meant(
        REJECTED,
        r"The value (is not one character|is the delimiter as well|begins with the delimiter or the quote)",
        "Which characters print is a matter of Unicode; that two options differ is more than a schema can say.",
    ),
    Meant(
        REJECTED,
        r"'key' must be 1-16 different names|'key' must name the columns that tell rows apart",
        "Names differ whatever their case, and whether data has a key of its own depends on the data.",
    ),
    Meant(
        REJECTED,
        r"Version \d+ rejected \d+ records, not \d+",
        "How many records there are to correct depends on the version.",
    ),
    Meant(
        REJECTED,
        r"'order' must be \d+-\d+ here",
        "How many there are to stand among depends on what is there.",
    ),
    Meant(
        REJECTED,
        r"cannot be moved below itself|cannot be moved into itself|another project|No component of this section",
        "Where something can be moved to depends on where it is.",
    ),
    Meant(
        REJECTED,
        r"'sectionIds' (lacks|names|has)",
        "An order has to name all sections of the page, whichever those are.",
    ),
    Meant(
        REJECTED,
        r"The expiry must lie in the future",
        "When a key may end depends on the time.",
    ),
    Meant(
        REJECTED,
        r"A system key acts for the account: leave out 'user_id'",
        "Of two fields, each of them good, only one can be given.",
    ),
    Meant(
        REJECTED,
        r"\"field\": \"(start_date|end_date|granularity)\"",
        "A range has to begin before it ends, within 400 days, and times are for the granularity `hour` only.",
    ),
    Meant(
        REJECTED,
        r"\"field\": \"url\"",
        "Where webhooks may go is decided by what the name resolves to; the document has scheme and form.",
    ),
    Meant(
        REJECTED,
        r"'after' must be the id of the last item",
        "A UUID says by a hash which kind of thing it is of: the document's pattern has the form alone.",
    ),
    Meant(
        REJECTED,
        r"'key' means nothing to|Say either 'importId' or 'preparationId'",
        "Which fields go together depends on the values of others: a schema would list every combination.",
    ),
    Meant(
        REJECTED,
        r"The report has no parameter|The report needs a value for the parameter|Two parameters are called",
        "Which parameters a report has, its definition says.",
    ),
    Meant(
        REJECTED,
        r"\"field\": \"parameters\.\d+\.(default|values)\b",
        "A parameter's values are of its type, and its default is one of them.",
    ),
    Meant(
        REJECTED,
        r"\"field\": \"sections\.\d+\.(query|chartQuery|chart|columns|value|compareWith|format)\b",
        "What a section shows depends on its query, and that on the data: docs/apis.md has the members of both.",
    ),
    Meant(
        REJECTED,
        r"'sections\.\d+' must name either",
        "Of two fields, each of them good, one has to be given, and only one.",
    ),
    Meant(
        REJECTED,
        r"must have either 'steps' or 'select'|\"field\": \"select\""
        r"|\"field\": \"steps\.\d+"
        r"(\"|\.(?!(name|type|retries|backoffSeconds|url|seconds|until|conditions|match|then)\b))",
        "What a step of a recipe takes depends on its kind, and a SELECT is a language: docs/data-model.md has both.",
    ),
    Meant(
        REJECTED,
        r"must be unique: another step|does not come before this one|or the name of a later step"
        r"|one schedule at most",
        "Which steps there are, and in which order, depends on all of them; so does how many schedules there are.",
    ),
    Meant(
        REJECTED,
        r"expression' cannot be read|The schedule is never due|is not a time zone|end' must lie after",
        "What a cron expression says and when it is due is more than a pattern tells, and zones are a database.",
    ),
    Meant(
        REJECTED,
        r"\"field\": \"steps\.\d+\.url\"",
        "Where webhooks may go is decided by what the name resolves to; the document has scheme and form.",
    ),
    Meant(
        REJECTED,
        r"The chart has no .* to sort by|The labels are sorted by|Two measures would be called"
        r"|A measure cannot be called|Where gaps are filled|fills gaps between buckets"
        r"|it needs a 'bucket'|must be a name of the IANA",
        "What a question sorts by are the names of its measures, and only buckets of time have gaps and zones.",
    ),
    Meant(
        REJECTED,
        r"The secret must be 'whsec_'",
        "A secret's length is counted in bytes, of text or of what its base64 stands for; a schema counts characters.",
    ),
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Spares the things that other operations need, whose ids Schemathesis finds in lists, and the rest of the world.

    An address for webhooks that Schemathesis makes up may be somebody's: it becomes one of this machine. And an
    automation that it makes up starts by nothing but its trigger `api`: else each request could start all of them.
    """
    _call_nobody(case.body)
    if isinstance(case.body, dict) and "triggers" in case.body and case.body.get("enabled", True) is True:
        case.body["enabled"] = False
    operation = case.operation.definition.raw.get("operationId")
    meant = (case.headers or {}).get("X-HTTP-Method-Override", case.method)
    if "DELETE" in (case.method.upper(), meant.upper()) or operation in ENDING:
        for name, value in (case.path_parameters or {}).items():
            if value in KEPT:
                case.path_parameters[name] = re.sub(r"[^_]{1,11}$", "00000000003", str(value))


def _call_nobody(body: Any) -> None:
    for each in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        _call_nobody(each)
    if isinstance(body, dict) and ADDRESS.match(str(body.get("url"))):
        body["url"] = "http://127.0.0.1:9/"


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one."""
    text = response.text if response is not None else ""
    return not any(type(failure).__name__ == each.failure and re.search(each.sentence, text) for each in MEANT)
