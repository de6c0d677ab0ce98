"""How keys are spelled. Every partition of a customer's things starts with the account: isolation is the key itself.

a#<account>                  account, and what its administrators defined of its records
a#<account>#users            users by id
a#<account>#projects         projects by id, which is by creation
a#<account>#slugs            guards that a slug is used once, by slug
a#<account>#datasets         datasets by id
a#<account>#p#<project>#data one entry per dataset of the project, by creation
a#<account>#p#<project>#names  who made data of a name last, by the name's hash; forgotten after a day
a#<account>#d#<dataset>#versions  versions of the dataset by number
a#<account>#p#<project>#site how its site stands: counters and the tree of its pages
a#<account>#p#<project>#versions  published versions of its site by number
a#<account>#pages            pages by id
a#<account>#sections         sections of pages by id
a#<account>#analyses         analyses by id
a#<account>#p#<project>#analyses   one entry per analysis of the project, by creation
a#<account>#d#<dataset>#exports   exports of a dataset by id
a#<account>#d#<dataset>#comparisons   comparisons of two of its versions by id
a#<account>#preparations     preparations by id
a#<account>#prep#<preparation>#executions   one entry per execution of the preparation, by its job
a#<account>#reports          definitions of reports by id
a#<account>#generated        generated reports by id
a#<account>#snapshots        what each of these is generated of, by its id
a#<account>#uploads          upload sessions by id
a#<account>#automations      automations by id
a#<account>#lines            which of an automation's runs is under way and which wait, by automation
a#<account>#listeners        what events start an automation, by automation
a#<account>#runs             runs of automations by id
a#<account>#u#<automation>   one entry per run of the automation, by creation
a#<account>#occasions        guards that an event, or a time of a schedule, starts one run
a#<account>#numbers          how far records are numbered for people, by class
a#<account>#r#<class>        records of a class by id
a#<account>#r#<class>#log    which of these changed, by time; forgotten after a week
a#<account>#queues           change queues by id
a#<account>#queue_uuids      which queue has a UUID
a#<account>#q#<queue>        the batch of a change queue that is out, and what waits in it, by event
a#<account>#documents        where the bytes of documents are, by id
a#<account>#document_uploads upload sessions of documents by id
a#<account>#jobs             jobs by id
a#<account>#keys             API keys by id (never the key itself)
a#<account>#applications     applications by id
a#<account>#app#<application>#tokens   one entry per access token of the application, by its SHA-256
a#<account>#idempotency      answers under an Idempotency-Key, by hash of route and key
a#<account>#events           the outbox: events by id
a#<account>#usage            counters of use, by hour: requests, bytes processed, projects created
a#<account>#endpoints        webhook endpoints by id
a#<account>#e#<endpoint>     the endpoint's deliveries, by event
<a list's partition>#total   counters of the list, by shard
key#<sha256>                 the identity that a key or an access token stands for
client#<client_id>           what an application's access tokens are issued by
preview#<sha256>             the version of a site that a public link opens
due#<five minutes>           the times at which schedules should start something, by account and automation
email#<address>              guards that an address is used once
"""

from __future__ import annotations

from fluvial import ids


def number(value: int) -> str:
    """An id as a sort key: eleven characters that sort as the number does."""
    return ids.spell("", value)[1:]


def parsed(text: str) -> int:
    """The id that `number` made this of; ValueError for another text."""
    found = ids.parse("", f"_{text}")
    if found is None:
        raise ValueError(f"{text!r} is no number of ours")
    return found


def account(account_id: int) -> str:
    return f"a#{number(account_id)}"


def listed(account_id: int, what: str) -> str:
    """The partition of an account's things of one kind."""
    return f"a#{number(account_id)}#{what}"


def project_data(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#data"


def exports(account_id: int, dataset_id: int) -> str:
    return f"a#{number(account_id)}#d#{number(dataset_id)}#exports"


def comparisons(account_id: int, dataset_id: int) -> str:
    return f"a#{number(account_id)}#d#{number(dataset_id)}#comparisons"


def automation_runs(account_id: int, automation_id: int) -> str:
    return f"a#{number(account_id)}#u#{number(automation_id)}"


def dataset_versions(account_id: int, dataset_id: int) -> str:
    return f"a#{number(account_id)}#d#{number(dataset_id)}#versions"


def site(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#site"


def versions(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#versions"


def project_names(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#names"


def project_analyses(account_id: int, project_id: int) -> str:
    return f"a#{number(account_id)}#p#{number(project_id)}#analyses"


def executions(account_id: int, preparation_id: int) -> str:
    return f"a#{number(account_id)}#prep#{number(preparation_id)}#executions"


def deliveries(account_id: int, endpoint_id: int) -> str:
    return f"a#{number(account_id)}#e#{number(endpoint_id)}"


def records(account_id: int, model: str) -> str:
    """The partition of the records of a class; `model` is its name, which has no `#`."""
    return f"a#{number(account_id)}#r#{model}"


def record_log(account_id: int, model: str) -> str:
    return f"a#{number(account_id)}#r#{model}#log"


def change_queue(account_id: int, queue_id: int) -> str:
    return f"a#{number(account_id)}#q#{number(queue_id)}"


def key_secret(digest: str) -> str:
    return f"key#{digest}"


def application_tokens(account_id: int, application_id: int) -> str:
    return f"a#{number(account_id)}#app#{number(application_id)}#tokens"


def client(client_id: str) -> str:
    return f"client#{client_id}"


def preview(digest: str) -> str:
    return f"preview#{digest}"


def email(address: str) -> str:
    return f"email#{address.casefold()}"


def window(hour: int, key_id: int, api: str, route_class: str) -> str:
    """The sort key of a request counter among its account's counters of use; `hour` in epoch seconds."""
    return f"{hour:010d}#{number(key_id)}#{api}#{route_class}"


def window_source(sort_key: str) -> tuple[str, str] | None:
    """The number of the key and the API whose requests a counter counts; None for one that counts something else."""
    _, *source = sort_key.split("#")
    return (source[0], source[1]) if len(source) > 1 else None
