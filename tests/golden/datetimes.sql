-- date_literals
-- same
SELECT date '2024-02-29', '2024-02-29'::date, CAST('2024-02-29' AS date);

-- date_spellings
-- same
SELECT 'Feb 29, 2024'::date, '20240229'::date, '2024-2-9'::date;

-- date_bad
-- same
SELECT '2023-02-29'::date;

-- timestamp_literals
-- same
SELECT timestamp '2024-01-02 03:04:05', timestamp '2024-01-02 03:04:05.123456', '2024-01-02T03:04'::timestamp;

-- timestamptz_literals
-- same
SELECT timestamptz '2024-01-02 03:04:05+02', '2024-01-02 03:04:05Z'::timestamptz, timestamptz '2024-01-02 03:04:05 Europe/Paris';

-- timestamp_old
-- error: a timestamp is nanoseconds: only from 1677 to 2262
SELECT timestamp '0001-01-01 00:00:00', timestamp '9999-12-31 23:59:59', date '1000-01-01';

-- timestamp_infinity
-- error: no timestamp of the form infinity
SELECT 'infinity'::timestamp > now();

-- timestamp_bc
-- error: no Date32 of the form 0044-03-15 BC
SELECT '0044-03-15 BC'::date < date '2024-01-01';

-- time_literals
-- same
SELECT time '03:04:05.5', '23:59'::time;

-- epoch_and_specials
-- same
SELECT 'epoch'::timestamp;

-- date_plus_integer
-- same
SELECT date '2024-02-28' + 2, date '2024-03-01' - 1, 3 + date '2024-01-01';

-- date_minus_date
-- same
SELECT date '2024-03-01' - date '2024-02-01', shipped - date '2024-01-01' FROM orders;

-- date_plus_time
-- same
SELECT date '2024-01-01' + time '03:04';

-- date_plus_interval
-- wrong: date and interval give a date, Postgres a timestamp
SELECT date '2024-01-31' + interval '1 month', born + interval '1 year' FROM people;

-- timestamp_minus_timestamp
-- same
SELECT timestamp '2024-03-01 12:00' - timestamp '2024-02-01 00:00';

-- timestamp_minus_timestamp_columns
-- same
SELECT ordered_at - timestamp '2024-01-01' FROM orders;

-- timestamp_plus_interval
-- same
SELECT ordered_at + interval '1 day', ordered_at - interval '90 minutes' FROM orders;

-- month_end_clamps
-- same
SELECT timestamp '2024-01-31' + interval '1 month', timestamp '2024-03-31' - interval '1 month', date '2023-12-31' + interval '2 months';

-- interval_forms
-- same
SELECT interval '1 day', interval '1 year 2 months', interval '1:30', interval 'P1DT2H', interval '2' day;

-- interval_word_and_clock
-- same
SELECT interval '1 month 2 days 03:04:05';

-- interval_negative
-- same
SELECT interval '-1 day', interval '1 day ago', - interval '2 hours';

-- interval_fractions
-- same
SELECT interval '1.5 days', interval '0.5 month', interval '1.25 hours';

-- interval_arithmetic
-- same
SELECT interval '1 day' * 3, interval '1 day' / 2, interval '1 day' + interval '2 hours', 2 * interval '1 hour';

-- interval_compare
-- wrong: intervals are compared part by part: interval_key(x) compares as Postgres
SELECT interval '1 day' = interval '24 hours', interval '30 days' = interval '1 month', interval '1 day' > interval '23 hours';

-- interval_columns
-- error: an interval cannot be multiplied: interval_times, interval_divided
SELECT span, span * 2, -span FROM spans;

-- interval_order
-- wrong: intervals are ordered by months, days and time one after the other: interval_key(x) orders as Postgres
SELECT id FROM spans ORDER BY span NULLS LAST, id;

-- interval_sum
-- error: avg takes no such arguments
SELECT sum(span), avg(span), max(span), min(span) FROM spans;

-- interval_to_text
-- same
SELECT span::text FROM spans;

-- interval_extract
-- same
SELECT extract(year FROM span), extract(month FROM span), extract(day FROM span), extract(hour FROM span), extract(epoch FROM span) FROM spans;

-- interval_literal_columns
-- same
SELECT ordered_at + quantity * interval '1 day' FROM orders;

-- timestamp_plus_span_column
-- same
SELECT timestamp '2024-01-31 00:00' + span FROM spans;

-- time_arithmetic
-- same
SELECT time '10:00' + interval '90 minutes', time '10:00' - time '08:30', until - interval '1 hour' FROM spans;

-- time_columns
-- same
SELECT until, extract(hour FROM until), extract(second FROM until) FROM spans;

-- extract_fields
-- same
SELECT extract(year FROM ordered_at), extract(month FROM ordered_at), extract(day FROM ordered_at), extract(hour FROM ordered_at), extract(minute FROM ordered_at), extract(second FROM ordered_at) FROM orders;

-- extract_more
-- same
SELECT extract(quarter FROM ordered_at), extract(week FROM ordered_at), extract(doy FROM ordered_at), extract(dow FROM ordered_at), extract(isodow FROM ordered_at), extract(isoyear FROM ordered_at) FROM orders;

-- extract_epoch
-- same
SELECT extract(epoch FROM ordered_at), extract(epoch FROM timestamptz '2024-01-01 00:00:00+00'), extract(epoch FROM date '2024-01-01') FROM orders;

-- extract_rare
-- same
SELECT extract(century FROM ordered_at), extract(decade FROM ordered_at), extract(millennium FROM ordered_at) FROM orders;

-- extract_subseconds
-- same
SELECT extract(milliseconds FROM ordered_at), extract(microseconds FROM ordered_at) FROM orders;

-- extract_julian
-- same
SELECT extract(julian FROM date '2024-01-01');

-- date_part_function
-- same
SELECT date_part('year', ordered_at), date_part('epoch', ordered_at), date_part('dow', born) FROM orders, people WHERE orders.person_id = people.id;

-- extract_timezone
-- error: no timestamp of the form 2024-01-01 00:00+00
SELECT extract(timezone FROM timestamptz '2024-01-01 00:00+00');

-- date_trunc_fields
-- same
SELECT date_trunc('year', ordered_at), date_trunc('quarter', ordered_at), date_trunc('month', ordered_at), date_trunc('week', ordered_at), date_trunc('day', ordered_at), date_trunc('hour', ordered_at), date_trunc('minute', ordered_at), date_trunc('second', ordered_at) FROM orders;

-- date_trunc_rare
-- error: no date_trunc('decade')
SELECT date_trunc('decade', ordered_at), date_trunc('century', ordered_at), date_trunc('milliseconds', ordered_at) FROM orders;

-- date_trunc_of_date
-- wrong: date_trunc of a date is a timestamp, in Postgres with time zone
SELECT date_trunc('month', date '2024-02-15');

-- date_trunc_of_interval
-- error: no date_trunc of an interval
SELECT date_trunc('hour', interval '1 day 03:04:05');

-- date_trunc_zone
-- same
SELECT date_trunc('day', timestamptz '2024-01-01 23:30:00+00', 'Europe/Paris');

-- date_bin_function
-- same
SELECT date_bin('15 minutes', ordered_at, timestamp '2001-01-01') FROM orders;

-- at_time_zone_of_timestamptz
-- wrong: AT TIME ZONE of a timestamptz keeps the zone: Postgres has the local timestamp without one
SELECT at AT TIME ZONE 'Europe/Paris' FROM events;

-- at_time_zone_of_timestamp
-- same
SELECT ordered_at AT TIME ZONE 'America/New_York' FROM orders;

-- at_time_zone_chain
-- wrong: AT TIME ZONE of a timestamptz keeps the zone: the second conversion is lost
SELECT ordered_at AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo' FROM orders;

-- at_time_zone_offset
-- error: no timestamp of the form 2024-01-01 00:00+00
SELECT timestamptz '2024-01-01 00:00+00' AT TIME ZONE '+02';

-- timezone_function
-- error: no function timezone
SELECT timezone('Europe/Paris', timestamptz '2024-07-01 00:00+00');

-- timestamptz_to_text
-- same
SELECT at::text FROM events;

-- timestamp_to_text
-- same
SELECT ordered_at::text FROM orders;

-- date_to_text
-- same
SELECT born::text FROM people;

-- time_to_text
-- same
SELECT until::text FROM spans;

-- timestamp_concat
-- wrong: a timestamp in || has a T: value_text(x, arrow_typeof(x)) writes Postgres's
SELECT 'at ' || ordered_at FROM orders;

-- timestamptz_to_date
-- same
SELECT at::date, at::timestamp FROM events;

-- timestamp_to_time
-- same
SELECT ordered_at::time FROM orders;

-- compare_date_and_timestamp
-- same
SELECT shipped > ordered_at, shipped = '2024-01-15' FROM orders;

-- compare_with_text_literal
-- same
SELECT id FROM orders WHERE ordered_at >= '2024-02-01' AND shipped < '2024-12-01';

-- between_dates
-- same
SELECT id FROM orders WHERE ordered_at BETWEEN '2024-01-01' AND '2024-01-31';

-- overlaps_operator
-- error: no OVERLAPS
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', date '2024-03-01');

-- age_two
-- same
SELECT age(timestamp '2024-03-01', timestamp '2023-01-31');

-- age_columns
-- same
SELECT age(ordered_at, born) FROM orders JOIN people ON people.id = person_id;

-- age_negative
-- same
SELECT age(timestamp '2023-01-31', timestamp '2024-03-01 12:00'), age(timestamp '2024-02-29 01:00', timestamp '2024-01-31 02:00');

-- age_of_dates
-- same
SELECT age(date '2024-03-31', date '2024-02-29');

-- make_date_function
-- same
SELECT make_date(2024, 2, 29);

-- make_date_bad
-- same
SELECT make_date(2023, 2, 29);

-- make_time_function
-- error: make_time takes no such arguments
SELECT make_time(8, 15, 23.5);

-- make_timestamp_function
-- same
SELECT make_timestamp(2013, 7, 15, 8, 15, 23.5);

-- make_timestamptz_function
-- same
SELECT make_timestamptz(2013, 7, 15, 8, 15, 23.5);

-- make_timestamptz_zone
-- same
SELECT make_timestamptz(2013, 7, 15, 8, 15, 23.5, 'Europe/Paris');

-- make_interval_named
-- same
SELECT make_interval(days => 10, hours => 2);

-- make_interval_positional
-- same
SELECT make_interval(1, 2, 3, 4, 5, 6, 7.5);

-- justify_functions
-- same
SELECT justify_hours(interval '27 hours'), justify_days(interval '35 days'), justify_interval(interval '1 mon -1 hour');

-- justify_columns
-- same
SELECT justify_hours(span), justify_days(span), justify_interval(span) FROM spans;

-- isfinite_function
-- same
SELECT isfinite(date '2024-01-01'), isfinite(ordered_at) FROM orders;

-- isfinite_infinity
-- error: no timestamp of the form infinity
SELECT isfinite('infinity'::timestamp);

-- to_timestamp_epoch
-- same
SELECT to_timestamp(0), to_timestamp(1284352323.5);

-- to_timestamp_pattern
-- same
SELECT to_timestamp('05 Dec 2000', 'DD Mon YYYY'), to_timestamp('2024-01-02 03:04:05', 'YYYY-MM-DD HH24:MI:SS');

-- to_timestamp_pattern_ampm
-- same
SELECT to_timestamp('12:30 AM 2024/3/5', 'HH12:MI AM YYYY/MM/DD');

-- to_timestamp_pattern_zone
-- same
SELECT to_timestamp('2024-01-02 03:04:05+02:00', 'YYYY-MM-DD HH24:MI:SSTZH:TZM');

-- to_timestamp_fraction
-- same
SELECT to_timestamp('2024-01-02 03:04:05.678', 'YYYY-MM-DD HH24:MI:SS.MS'), to_timestamp('2024-01-02 05.1234', 'YYYY-MM-DD SS.US');

-- to_date_pattern
-- same
SELECT to_date('05 Dec 2000', 'DD Mon YYYY'), to_date('20240229', 'YYYYMMDD'), to_date('24-2-9', 'YY-MM-DD');

-- to_date_ordinal
-- same
SELECT to_date('2024-060', 'YYYY-DDD'), to_date('2024-W09-4', 'IYYY-"W"IW-ID');

-- to_date_bad
-- same
SELECT to_date('2023-02-30', 'YYYY-MM-DD');

-- to_date_not_a_number
-- same
SELECT to_date('abcd', 'YYYY');

-- to_date_columns
-- same
SELECT to_date(born::text, 'YYYY-MM-DD') FROM people;

-- now_is_one_moment
-- same
SELECT now() = current_timestamp, now() = transaction_timestamp(), now() <= clock_timestamp();

-- statement_timestamp_function
-- same
SELECT statement_timestamp() = now();

-- current_date_is_today
-- same
SELECT current_date = now()::date;

-- localtimestamp_keyword
-- same
SELECT localtimestamp = now()::timestamp;

-- current_time_keyword
-- same
SELECT current_time IS NOT NULL, localtime IS NOT NULL;

-- generate_series_dates
-- same
SELECT generate_series(timestamp '2024-01-01', timestamp '2024-01-03', interval '1 day');

-- generate_series_dates_in_from
-- same
SELECT d::date FROM generate_series(date '2024-01-30', date '2024-02-02', interval '1 day') AS g(d);

-- timestamp_precision
-- wrong: the precision of timestamp(0) cuts, Postgres rounds
SELECT ordered_at::timestamp(0), '2024-01-01 00:00:00.5'::timestamp(0) FROM orders;

-- sleep_function
-- error: no function pg_sleep
SELECT pg_sleep(0) IS NULL;

-- count_per_month
-- same
SELECT date_trunc('month', ordered_at) AS month, count(*) FROM orders GROUP BY 1 ORDER BY 1;

-- timestamptz_equal_across_zones
-- same
SELECT timestamptz '2024-01-01 00:00+00' = timestamptz '2024-01-01 02:00+02';

-- timestamp_max_min
-- same
SELECT max(ordered_at), min(ordered_at), max(at), min(born) FROM orders, events, people;

-- avg_of_difference
-- same
SELECT avg(shipped - ordered_at::date) FROM orders;

-- interval_to_char_sum
-- same
SELECT sum(shipped - ordered_at) FROM orders;

-- date_plus_hours
-- same
SELECT date '2024-01-01' + interval '36 hours';

-- date_column_plus_hours
-- same
SELECT shipped + interval '90 minutes' FROM orders;

-- timestamp_far_in_the_future
-- same
SELECT ordered_at + interval '1000 years' FROM orders;

-- timestamp_literal_after_2262
-- error: a timestamp is nanoseconds: only from 1677 to 2262
SELECT '3000-01-01 00:00:00'::timestamp;

-- date_literal_after_2262
-- same
SELECT date '3000-01-01', date '3000-01-01' - date '2024-01-01';

-- timestamp_equals_short_text
-- error: no timestamp of the form 2024-01-15 10:30
SELECT id FROM orders WHERE ordered_at = '2024-01-15 10:30';

-- date_in_texts
-- same
SELECT id FROM orders WHERE shipped IN ('2024-01-15', '2024-07-01');

-- date_minus_interval_is_a_timestamp
-- same
SELECT date '2024-03-31' - interval '1 month';

-- interval_plus_date
-- same
SELECT interval '1 month' + date '2024-01-31';

-- now_minus_interval
-- same
SELECT now() - interval '1 day' < now();

-- timestamptz_compared_with_date
-- same
SELECT id FROM events WHERE at >= date '2024-03-31';

-- timestamptz_day_group
-- same
SELECT date_trunc('day', at), count(*) FROM events GROUP BY 1;

-- date_part_of_interval
-- same
SELECT date_part('month', span), date_part('minute', span) FROM spans;

-- timestamp_times_compare_null
-- same
SELECT id FROM orders WHERE ordered_at < shipped;

-- nanoseconds_round
-- same
SELECT '2024-01-01 00:00:00.1234567'::timestamp;

-- extract_week_of_dates
-- same
SELECT extract(week FROM d), extract(isoyear FROM d), extract(dow FROM d) FROM (VALUES (date '2021-01-03'), (date '2020-12-31'), (date '2024-12-30')) t(d);
