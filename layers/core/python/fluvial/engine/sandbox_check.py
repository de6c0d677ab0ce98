"""Which SELECTs of users are run: DuckDB's own parser says what a text is, and only what is listed here may be in it.

What would be read wrongly by another parser than the one that runs it is the usual way around such a check, so there
is no other. Lists name what is allowed: what a later DuckDB adds is refused until somebody has looked at it. A
SELECT is no guarantee by itself: `WITH a AS (INSERT …)` is one to DuckDB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

MAX_SQL_BYTES = 256 * 1024

_NODES = frozenset(
    {
        "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE",
        "BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY", "TABLE_FUNCTION",
        "DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER",
        "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
    }
)  # fmt: skip
_CLASSES = frozenset(
    {
        "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION",
        "LAMBDA", "LAMBDA_REF", "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
    }
)  # fmt: skip
_OPERATOR = re.compile(r"[^\w\s]+|!__postfix")
_TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"})
# All of DuckDB 2.0 that computes from its arguments alone, and the clock and chance. Not among them: what tells of
# the database, its settings, its catalog or its session, waits, keeps something, or takes SQL or raw bytes apart.
_COMPUTING = """
    abs acos acosh add age aggregate ago alias any_value apply approx_count_distinct approx_quantile approx_top_k
    arbitrary arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin
    array_agg array_aggr array_aggregate array_append array_apply array_cat array_concat array_contains
    array_cosine_distance array_cosine_similarity array_cross_product array_distance array_distinct
    array_dot_product array_extract array_filter array_grade_up array_has array_has_all array_has_any array_indexof
    array_inner_product array_intersect array_length array_negative_dot_product array_negative_inner_product
    array_pop_back array_pop_front array_position array_prepend array_push_back array_push_front array_reduce
    array_resize array_reverse array_reverse_sort array_select array_slice array_sort array_to_json array_to_string
    array_to_string_comma_default array_transform array_unique array_value array_where array_zip ascii asin asinh
    assert_true atan atan2 atanh avg bar base64 bin binom bit_and bit_count bit_length bit_or bit_position bit_xor
    bitstring bitstring_agg bool_and bool_or cardinality cbrt ceil ceiling century char_length character_length chr
    concat concat_ws contains corr cos cosh cot count count_if count_star countif covar_pop covar_samp cume_dist
    current_date current_localtime current_localtimestamp damerau_levenshtein date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    decimal_division decode degrees dense_rank divide editdist3 element_at encode ends_with entropy enum_code
    enum_first enum_last enum_range enum_range_boundary epoch epoch_ms epoch_ns epoch_us equi_width_bins era error
    even exp factorial favg fdiv fill filter first first_value flatten floor fmod format format_bytes
    formatreadabledecimalsize formatreadablesize from_base64 from_binary from_hex from_json from_json_strict fsum
    gamma gcd gen_random_uuid generate_series generate_subscripts geomean geometric_mean get_bit get_current_time
    get_current_timestamp grade_up greatest greatest_common_divisor group_concat hamming hash hex histogram
    histogram_exact hour if ilike_escape instr isfinite isinf isnan isodow isoyear jaccard jaro_similarity
    jaro_winkler_similarity json json_array json_array_length json_contains json_deep_merge json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_group_array json_group_object
    json_group_structure json_insert json_keys json_merge_patch json_merge_patch_diff json_normalize json_object
    json_pretty json_quote json_remove json_replace json_set json_strip_nulls json_structure json_transform
    json_transform_strict json_type json_valid json_value julian kahan_sum kurtosis kurtosis_pop lag last last_day
    last_value lcase lcm lead least least_common_multiple left left_grapheme len length length_grapheme levenshtein
    lgamma like_escape list list_aggr list_aggregate list_any_value list_append list_apply
    list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat
    list_concat list_contains list_cosine_distance list_cosine_similarity list_count list_distance list_distinct
    list_dot_product list_element list_entropy list_extract list_filter list_first list_grade_up list_has
    list_has_all list_has_any list_histogram list_indexof list_inner_product list_intersect list_kurtosis
    list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode list_negative_dot_product
    list_negative_inner_product list_pack list_position list_prepend list_product list_reduce list_resize
    list_reverse list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop
    list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop list_var_samp
    list_where list_zip listagg ln log log10 log2 lower lpad ltrim lttb mad make_date make_time make_timestamp
    make_timestamp_ms make_timestamp_ns make_timestamptz map map_concat map_contains map_contains_entry
    map_contains_value map_entries map_extract map_extract_value map_from_entries map_keys map_values max max_by md5
    md5_number md5_number_lower md5_number_upper mean median microsecond millennium millisecond min min_by minute
    mismatches mod mode month monthname multiply nanosecond nextafter nfc_normalize normalized_interval
    not_ilike_escape not_like_escape now nth_value ntile nullif octet_length ord overlay parse_dirname parse_dirpath
    parse_filename parse_formatted_bytes parse_path path_join percent_rank pi position pow power prefix printf
    product quantile quantile_cont quantile_disc quarter radians random range rank rank_dense reduce regexp_escape
    regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace
    reservoir_quantile reverse right right_grapheme round round_even roundbankers row row_number row_to_json rpad
    rtrim second sem set_bit sha1 sha256 sign signbit sin sinh skewness split split_part sqrt starts_with stddev
    stddev_pop stddev_samp str_split str_split_regex strftime string_agg string_split string_split_regex
    string_to_array strip_accents strlen strpos strptime struct_concat struct_contains struct_extract
    struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack struct_position struct_update
    struct_values substr substring substring_grapheme subtract suffix sum sumkahan tan tanh time_bucket timezone
    timezone_hour timezone_minute to_base to_base64 to_binary to_centuries to_days to_decades to_hex to_hours
    to_json to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years today transaction_timestamp translate trim trunc try_strptime typeof ucase unbin unhex unicode
    union_extract union_tag union_value unpivot_list upper url_decode url_encode uuid uuid_extract_timestamp
    uuid_extract_version uuidv4 uuidv7 var_pop var_samp variance wavg week weekday weekofyear weighted_avg xor year
    yearweek unnest
"""
_FUNCTIONS = frozenset(_COMPUTING.split())


class RefusedError(Exception):
    """The text is not a SELECT that is run; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True)
class Checked:
    """A text that is one SELECT, without a semicolon at its end, the tables and the parameters that it names."""

    sql: str
    tables: frozenset[str]
    parameters: frozenset[str]


def checked(connection: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str]) -> Checked:
    """The SELECT, if it reads nothing but `tables` (in lower case). Raises RefusedError, and duckdb.Error on syntax."""
    if len(sql.encode()) > MAX_SQL_BYTES:
        raise RefusedError(f"The SQL has more than {MAX_SQL_BYTES} bytes.")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RefusedError(f"One SELECT is wanted, and these are {len(statements)} statements.")
    if statements[0].type is duckdb.StatementType.MULTI:
        raise RefusedError("A PIVOT has to list the values that become columns: ON column IN (value, …).")
    if statements[0].type is not duckdb.StatementType.SELECT:
        raise RefusedError(f"Only a SELECT is run, and this is {statements[0].type.name}.")
    row = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone() or ("",)
    tree: dict[str, Any] = json.loads(row[0])
    if tree["error"] or len(tree["statements"]) != 1:
        raise RefusedError(f"Only one SELECT is run: {tree.get('error_message', 'this is something else')}")
    read = frozenset(_tables(tree["statements"][0], frozenset(tables)))
    return Checked(_without_end(sql), read, frozenset(statements[0].named_parameters))


def _without_end(sql: str) -> str:
    """The text up to the semicolon behind the statement."""
    text = sql.encode()
    for start, kind in reversed(duckdb.tokenize(sql)):
        if kind is not duckdb.token_type.comment and text[start:] != b";":
            break
        text = text[:start].rstrip()
    return text.decode()


def _tables(tree: Any, tables: frozenset[str]) -> Iterator[str]:
    """The tables that are read in the tree. A tree may be deeper than Python calls."""
    rest: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while rest:
        # `common` are the names that WITH gave around the node.
        node, common = rest.pop()
        if isinstance(node, list):
            rest += [(each, common) for each in node]
        elif isinstance(node, dict):
            if node.get("type") == "BASE_TABLE" and (name := _table(node, common | tables)) not in common:
                yield name
            _allowed(node)
            for each in (node.get("cte_map") or {}).get("map", ()):
                name = each["key"].lower()
                recursive = each["value"]["query_node"]["type"] == "RECURSIVE_CTE_NODE"
                rest.append((each["value"], common | {name} if recursive else common))
                common |= {name}
            rest += [(value, common) for key, value in node.items() if key != "cte_map"]


def _table(node: dict[str, Any], known: frozenset[str]) -> str:
    path = node["qualified_name"]["path"]
    name: str = node["table_name"].lower()
    if node["schema_name"] or node["catalog_name"] or len(path) != 1 or name not in known:
        raise RefusedError(f"There is no input and no earlier step called {'.'.join(path)[:200]!r}.")
    return name


def _allowed(node: dict[str, Any]) -> None:
    """Raises RefusedError unless this kind of node, and the function that it calls, is listed."""
    kind = node.get("class") or node.get("type")
    if isinstance(kind, str) and kind not in (_CLASSES if "class" in node else _NODES):
        raise RefusedError(f"Only SELECTs that read are run, and this one has {_words(kind)}.")
    if kind == "TABLE_FUNCTION":
        _called(node["function"]["function_name"], _TABLE_FUNCTIONS)
    elif "function_name" in node:
        _called(node["function_name"], _FUNCTIONS | _TABLE_FUNCTIONS)


def _called(name: str, allowed: frozenset[str]) -> None:
    if not (name.lower() in allowed or _OPERATOR.fullmatch(name)):
        raise RefusedError(f"There is no function called {name[:200]!r} for SQL here.")


def _words(name: str) -> str:
    return name.removesuffix("_NODE").replace("_", " ")
