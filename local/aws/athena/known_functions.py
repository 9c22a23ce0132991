"""Which functions a query may call: those of Trino that this runs, and those that it knows but does not run.

`rewrite` spells them for DuckDB.
"""

from __future__ import annotations

# Every name here has been run against DuckDB through this package's rewriting.
SUPPORTED = frozenset(
    """
    abs approx_distinct approx_percentile arbitrary any_value array_agg array_join array_max array_min
    array_position array_sort avg bool_and bool_or cardinality cbrt ceil ceiling char_length character_length chr
    coalesce codepoint concat concat_ws contains corr cos sin tan acos asin atan atan2 count count_if covar_pop
    covar_samp cume_dist current_date date date_add date_diff date_format date_parse date_trunc day day_of_month
    day_of_week day_of_year dow doy degrees dense_rank element_at every exp extract filter first_value flatten floor
    from_iso8601_date from_unixtime geometric_mean greatest grouping hour if is_finite is_infinite is_nan
    json_extract_scalar lag last_day_of_month last_value lead least length levenshtein_distance listagg ln log10 log2
    lower lpad ltrim max max_by min min_by minute mod month now nth_value ntile nullif percent_rank pi position pow
    power quarter radians rand random rank regexp_extract regexp_like regexp_replace repeat replace reverse round
    row_number rpad rtrim second sequence sign split split_part sqrt starts_with stddev stddev_pop stddev_samp strpos
    substr substring sum to_hex to_unixtime transform trim truncate try_cast upper var_pop var_samp variance
    week week_of_year year
    """.split()  # noqa: SIM905
)

KNOWN = (
    frozenset(
        """
        all_match any_match array_distinct approx_most_frequent approx_set array_except array_intersect
        array_remove array_union arrays_overlap at_timezone bar beta_cdf bing_tile bit_count bitwise_and
        bitwise_and_agg bitwise_or bitwise_xor bitwise_not checksum color combinations cosine_similarity crc32
        current_groups current_timezone e evaluate_classifier_predictions exclude_columns
        features format format_datetime format_number from_base from_base32 from_base64 from_base64url from_hex
        from_iso8601_timestamp from_utf8 hamming_distance hash_counts histogram hmac_md5 hmac_sha1 hmac_sha256
        hmac_sha512 human_readable_seconds index infinity inverse_normal_cdf is_json_scalar json_array
        json_array_contains json_array_get json_array_length json_exists json_extract json_format json_object
        json_parse json_query json_size json_value kurtosis learn_classifier log luhn_check make_set_digest map
        map_agg map_concat map_entries map_filter map_from_entries map_keys map_union map_values map_zip_with
        md5 merge multimap_agg multimap_from_entries murmur3 nan ngrams none_match normal_cdf normalize
        numeric_histogram objectid parse_data_size parse_datetime parse_duration parse_presto_data_size
        qdigest_agg reduce reduce_agg regexp_count regexp_extract_all regexp_position
        regexp_split regr_intercept regr_slope render rgb sha1 sha256 sha512 shuffle skewness slice soundex
        spatial_partitions spooky_hash_v2_32 spooky_hash_v2_64 split_to_map split_to_multimap st_area
        tdigest_agg timezone_hour timezone_minute timestamp_objectid to_base to_base32 to_base64 to_base64url
        to_big_endian_32 to_big_endian_64 to_ieee754_32 to_ieee754_64 to_iso8601 to_milliseconds to_utf8
        translate transform_keys transform_values trim_array try typeof url_decode url_encode url_extract_host
        url_extract_parameter url_extract_path uuid value_at_quantile with_timezone word_stem xxhash64
        year_of_week yow zip zip_with millisecond cosh sinh tanh
        width_bucket wilson_interval_lower wilson_interval_upper
        """.split()  # noqa: SIM905
    )
    - SUPPORTED
)

# Words that stand before a parenthesis without being functions.
WORDS = frozenset(
    """
    all and any array as between bigint boolean by case cast char cross cube date decimal distinct double else end
    except exists extract filter from full group grouping having in inner insert int integer intersect interval into is
    join lateral left like limit map natural not null offset on or order outer over partition real recursive right
    rollup row rows select sets smallint some table then time timestamp tinyint try_cast union unnest using values
    varbinary varchar when where window with within json preceding following current range groups first fetch next
    escape asc desc ordinality
    """.split()  # noqa: SIM905
)

TYPES = frozenset(
    """
    boolean tinyint smallint integer int bigint real double decimal varchar char varbinary date time timestamp json
    array map row interval ipaddress uuid
    """.split()  # noqa: SIM905
)
RUN_TYPES = TYPES - {"interval", "ipaddress", "uuid", "map", "row", "json"}
