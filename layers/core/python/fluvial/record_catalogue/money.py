"""Funds, what they pay, payments, and bank accounts."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import boolean, decimal, flag, integer, many, model, moment, one, string, text

REQUEST_ALIASES = ("grant_request_id", "grant_request")

FUND = model(
    "fund",
    "Funds.",
    string("name", "Name of the fund.", required=True),
    decimal("balance", "What is in the fund."),
    decimal("illiquid_balance", "What is in the fund and cannot be spent at once."),
    boolean("can_be_over_allocated", "Whether more can be promised than there is."),
    boolean("is_invested", "Whether the fund is invested."),
    moment("opened_at", "When the fund was opened."),
    moment("closed_at", "When the fund was closed."),
    string("migrate_source_name", "Name of the system it came from."),
    many("funding_sources", "funding_source", "fund_id", "Sources that it fills."),
    states=("new", "pending", "open", "closed"),
)

FUNDING_SOURCE = model(
    "funding_source",
    "Sources of the money of grants.",
    string("name", "Name of the source.", required=True),
    text("description", "What the source is for."),
    decimal("amount", "What is in the source."),
    flag("retired", "Whether it is used no more."),
    moment("start_at", "From when it can be spent."),
    moment("end_at", "Until when it can be spent."),
    one("fund_id", "fund", "Fund that fills it."),
    many("funding_source_allocations", "funding_source_allocation", "funding_source_id", "What it is meant for."),
)

FUNDING_SOURCE_ALLOCATION = model(
    "funding_source_allocation",
    "What of a source is meant for a program in a year.",
    one("funding_source_id", "funding_source", "The source."),
    decimal("amount", "The amount."),
    string("spending_year", "The year."),
    flag("retired", "Whether it is used no more."),
    one("program_id", "program", "The program."),
    one("sub_program_id", "sub_program", "The sub-program."),
    one("initiative_id", "initiative", "The initiative."),
    one("sub_initiative_id", "sub_initiative", "The sub-initiative."),
    many("request_funding_sources", "request_funding_source", "funding_source_allocation_id", "Grants that it pays."),
    label=("spending_year", "amount"),
)

REQUEST_FUNDING_SOURCE = model(
    "request_funding_source",
    "What pays a grant.",
    one("request_id", "grant_request", "The grant.", aliases=REQUEST_ALIASES),
    one("funding_source_allocation_id", "funding_source_allocation", "What it is taken of."),
    decimal("funding_amount", "The amount."),
    one("program_id", "program", "The program."),
    one("sub_program_id", "sub_program", "The sub-program."),
    one("initiative_id", "initiative", "The initiative."),
    one("sub_initiative_id", "sub_initiative", "The sub-initiative."),
    many(
        "request_transaction_funding_sources",
        "request_transaction_funding_source",
        "request_funding_source_id",
        "What was paid of it.",
    ),
    label=("funding_amount",),
)

REQUEST_TRANSACTION = model(
    "request_transaction",
    "Payments of grants.",
    one("request_id", "grant_request", "Grant that is paid.", aliases=REQUEST_ALIASES),
    decimal("amount_due", "Amount that is due."),
    decimal("amount_paid", "Amount that was paid."),
    decimal("amount_due_local", "Amount that is due, in the local currency."),
    decimal("amount_paid_local", "Amount that was paid, in the local currency."),
    moment("due_at", "When it is due."),
    moment("paid_at", "When it was paid."),
    string("payment_type", "How it is paid: check, wire and so on."),
    string("payment_confirmation_number", "Number of the confirmation."),
    text("comment", "Comment on the payment."),
    text("condition", "What has to be done before."),
    string("request_document_linked_to", "Document on which it depends."),
    integer("spending_year", "Year whose funds pay it."),
    one("bank_account_id", "bank_account", "Account to which it is paid."),
    one("from_bank_account_id", "bank_account", "Account from which it is paid."),
    one("organization_payee_id", "organization", "Organization that is paid."),
    one("user_payee_id", "user", "Person that is paid."),
    one("payment_recorded_by_id", "user", "Who recorded the payment."),
    one("program_lead_id", "user", "Who leads the grant at the foundation."),
    string("ext_sync_id", "Number in another system."),
    moment("ext_sync_at", "When it was last brought to another system."),
    one("model_theme_id", "model_theme", "Theme of the payment."),
    many(
        "request_transaction_funding_sources",
        "request_transaction_funding_source",
        "request_transaction_id",
        "What pays it.",
    ),
    label=("amount_due", "due_at"),
    states=("new", "pending", "approved", "due", "paid", "canceled"),
)

REQUEST_TRANSACTION_FUNDING_SOURCE = model(
    "request_transaction_funding_source",
    "What pays a payment.",
    one("request_transaction_id", "request_transaction", "The payment."),
    one("request_funding_source_id", "request_funding_source", "What it is taken of."),
    decimal("amount", "The amount."),
    decimal("amount_local", "The amount, in the local currency."),
    label=("amount",),
)

BANK_ACCOUNT = model(
    "bank_account",
    "Bank accounts of organizations and people.",
    string("account_name", "Name of the account."),
    string("account_number", "Number of the account."),
    string("bank_name", "Name of the bank."),
    string("bank_code", "Code of the bank."),
    string("wire_transfer_number", "Number for wire transfers."),
    text("special_instructions", "What to mind."),
    string("street_address", "Street and number of the bank."),
    string("street_address2", "More of the bank's address."),
    string("city", "City of the bank."),
    string("postal_code", "Postal code of the bank."),
    string("phone", "Telephone of the bank."),
    string("fax", "Fax of the bank."),
    one("geo_state_id", "geo_state", "State of the bank."),
    one("geo_country_id", "geo_country", "Country of the bank."),
    string("intermediary_bank_name", "Name of the bank between."),
    string("intermediary_bank_code", "Code of the bank between."),
    string("intermediary_account_name", "Name of the account at the bank between."),
    string("intermediary_account_number", "Number of the account at the bank between."),
    boolean("active", "Whether the account is active.", default=True),
    flag("retired", "Whether it is used no more."),
    one("owner_organization_id", "organization", "Organization whose account it is."),
    one("owner_user_id", "user", "Person whose account it is."),
    many("request_transactions", "request_transaction", "bank_account_id", "Payments to it."),
    label=("bank_name", "account_name"),
    states=("new", "pending", "approved", "rejected"),
)

CLASSES = (
    FUND,
    FUNDING_SOURCE,
    FUNDING_SOURCE_ALLOCATION,
    REQUEST_FUNDING_SOURCE,
    REQUEST_TRANSACTION,
    REQUEST_TRANSACTION_FUNDING_SOURCE,
    BANK_ACCOUNT,
)
