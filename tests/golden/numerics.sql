-- round_numeric
-- same
SELECT round(2.5), round(-2.5), round(3.5), round(0.4), round(m) FROM numbers;

-- round_double
-- wrong: round of a double goes away from zero at .5, Postgres to even
SELECT round(2.5::float8), round(3.5::float8), round(-2.5::float8), round(d) FROM numbers;

-- round_to_places
-- same
SELECT round(2.567, 2), round(1234.5, -2), round(m, 1) FROM numbers;

-- round_keeps_scale
-- wrong: a decimal literal is a double: round(2.5, 3) has no trailing zeros
SELECT round(2.5, 3)::text, round(2::numeric, 2)::text;

-- trunc_numeric
-- same
SELECT trunc(2.7), trunc(-2.7), trunc(2.567, 2), trunc(1234.5, -2), trunc(m, 2) FROM numbers;

-- ceil_floor
-- same
SELECT ceil(2.1), ceiling(-2.1), floor(-2.1), floor(m), ceil(d) FROM numbers;

-- abs_sign
-- same
SELECT abs(n), abs(m), sign(n), sign(-2.5) FROM numbers;

-- powers
-- same
SELECT power(2, 10), power(2.0, 0.5), power(2, -1), pow(9, 0.5), exp(1.0), sqrt(2), cbrt(27);

-- power_of_negative
-- wrong: power of a negative number is NaN, Postgres refuses
SELECT power(-8, 1.0/3);

-- sqrt_negative
-- same
SELECT sqrt(-1);

-- ln_zero
-- wrong: ln of zero is an infinity, Postgres refuses
SELECT ln(0);

-- logarithms
-- same
SELECT ln(10.0), log(100), log(2, 8), log10(1000);

-- trigonometry
-- same
SELECT sin(1), cos(1), tan(1), asin(0.5), acos(0.5), atan(1), atan2(1, 2), cot(1), sinh(1), tanh(0.5), degrees(pi()), radians(180);

-- trigonometry_in_degrees
-- error: no function sind
SELECT sind(30), cosd(60), tand(45);

-- div_function
-- same
SELECT div(7, 2), div(-7, 2), div(7.5, 2);

-- mod_numeric
-- same
SELECT mod(7.5, 2), 7.5 % 2, mod(-7.5, 2);

-- gcd_lcm
-- same
SELECT gcd(12, 18), lcm(4, 6), gcd(0, 5), gcd(-12, 18), lcm(0, 3);

-- width_bucket_numbers
-- same
SELECT width_bucket(5.35, 0.024, 10.06, 5), width_bucket(-1, 0, 10, 5), width_bucket(10, 0, 10, 5), width_bucket(5, 10, 0, 5);

-- width_bucket_columns
-- same
SELECT width_bucket(d, 0, 10, 4) FROM numbers;

-- width_bucket_array
-- same
SELECT width_bucket(5, ARRAY[1, 3, 6, 10]);

-- scale_functions
-- error: no function trim_scale
SELECT scale(1.50), min_scale(1.50), trim_scale(1.500)::text;

-- random_range
-- same
SELECT random() >= 0 AND random() < 1;

-- division_results
-- wrong: a quotient of decimals has four digits more than its dividend, Postgres at least 16 significant ones
SELECT n / 2.0, m / 3, d / 3, r / 2 FROM numbers;

-- numeric_division_scale
-- wrong: a quotient of decimals has another scale
SELECT (1::numeric / 3)::text, (10.00 / 4)::text;

-- numeric_sum_is_exact
-- same
SELECT sum(m), sum(amount) FROM numbers, orders;

-- numeric_avg
-- wrong: avg of decimals has four digits more than they, Postgres at least 16 significant ones
SELECT avg(m), avg(n), avg(amount) FROM numbers, orders;

-- numeric_to_text
-- same
SELECT m::text, salary::text FROM numbers, people;

-- float_to_text
-- same
SELECT d::text, r::text FROM numbers;

-- float_special_text
-- same
SELECT score::text FROM events;

-- nan_comparisons
-- same
SELECT score = 'NaN', score > 1 FROM events;

-- nan_order
-- same
SELECT id, score FROM events ORDER BY score, id;

-- nan_max
-- same
SELECT max(score), min(score) FROM events;

-- infinity_arithmetic
-- same
SELECT 'Infinity'::float8 + 1, -'Infinity'::float8, 'Infinity'::float8 - 'Infinity'::float8;

-- integer_sum_is_bigint
-- same
SELECT sum(n), sum(s) FROM numbers;

-- bigint_sum
-- same
SELECT sum(b) FROM numbers;

-- avg_of_integers
-- wrong: avg of integers is a double: the text 41.8, in Postgres 41.8000000000000000
SELECT avg(age), avg(age)::text FROM people;

-- count_forms
-- same
SELECT count(*), count(age), count(DISTINCT age), count(DISTINCT city) FROM people;

-- statistics
-- same
SELECT stddev(n), stddev_pop(n), stddev_samp(n), variance(n), var_pop(n), var_samp(n) FROM numbers;

-- correlation
-- same
SELECT corr(n, s), covar_pop(n, s), covar_samp(n, s) FROM numbers;

-- regressions
-- same
SELECT regr_slope(n, s), regr_intercept(n, s), regr_r2(n, s), regr_count(n, s), regr_avgx(n, s), regr_sxx(n, s) FROM numbers WHERE n < 50;

-- percentiles
-- same
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n), percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FROM numbers;

-- percentile_array
-- error: percentile_cont takes no such arguments
SELECT percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY d) FROM numbers;

-- mode_aggregate
-- same
SELECT mode() WITHIN GROUP (ORDER BY age) FROM people;

-- bit_aggregates
-- same
SELECT bit_and(n), bit_or(n), bit_xor(n) FROM numbers;

-- bool_aggregates
-- same
SELECT bool_and(active), bool_or(active), every(active) FROM people;

-- bool_aggregates_native
-- same
SELECT bool_and(active), bool_or(active), bool_and(age > 1000) FROM people;

-- any_value_aggregate
-- same
SELECT any_value(k) FROM rights WHERE k = 1;

-- min_max_of_empty
-- same
SELECT min(n), max(n), sum(n), avg(n), count(n) FROM numbers WHERE false;

-- cast_float_rounds_to_even
-- same
SELECT 2.5::float8::int, 3.5::float8::int, (-2.5)::float8::int, d::int FROM numbers WHERE d < 1000;

-- cast_numeric_rounds_away
-- same
SELECT 2.5::int, 3.5::int, (-2.5)::numeric::int, m::int FROM numbers;

-- cast_float_to_numeric
-- same
SELECT 0.1::float8::numeric, 1e10::float8::numeric(20, 2), r::numeric FROM numbers;

-- cast_numeric_scale
-- wrong: a decimal literal is a double: 1.005 cast to two digits is 1.00
SELECT 1.005::numeric(10, 2), 1.239::numeric(10, 2), '12.345'::numeric(10, 1), 12::numeric(5, 2);

-- cast_numeric_overflow
-- same
SELECT 12345::numeric(4, 2);

-- numeric_without_scale
-- same
SELECT '3.14159'::numeric, 1.5::numeric, 12345678901234567890.123::numeric;

-- numeric_unlimited_precision
-- same
SELECT 12345678901234567890.123456789 * 98765432109876543210;

-- numeric_compare
-- same
SELECT 1.0 = 1.00, 1 = 1.0, m = 1.5 FROM numbers;

-- decimal_multiplication
-- same
SELECT m * m, salary * 1.1 FROM numbers, people;

-- decimal_and_double
-- wrong: a decimal and a real give a real, Postgres a double
SELECT m + d, m * r FROM numbers;

-- integer_and_decimal
-- same
SELECT n + m, n * 0.5 FROM numbers;

-- generate_series_integers
-- same
SELECT generate_series(1, 5), generate_series(5, 1, -2);

-- generate_series_in_from
-- same
SELECT i, i * i FROM generate_series(1, 5) AS t(i);

-- generate_series_numeric
-- error: generate_series takes literals, and no numerics
SELECT x FROM generate_series(0.0, 1.0, 0.25) AS t(x);

-- generate_series_empty
-- same
SELECT i FROM generate_series(5, 1) AS t(i);

-- generate_series_columns
-- same
SELECT n, generate_series(1, n) FROM numbers WHERE n BETWEEN 1 AND 3;

-- bit_string
-- error: no literal of the kind SingleQuotedByteStringLiteral
SELECT B'101' & B'100';

-- money_type
-- error: no type money
SELECT '12.34'::money;

-- num_nulls_function
-- same
SELECT num_nulls(1, NULL, 2), num_nonnulls(1, NULL, 2);

-- setseed_random
-- same
SELECT random() < 2;

-- to_number_of_hex
-- error: no cast from Binary to Int32
SELECT x'1F'::int;

-- integer_from_text
-- same
SELECT '42'::int, ' 42 '::int, '-7'::bigint;

-- integer_from_bad_text
-- same
SELECT '4x'::int;

-- float_from_text
-- same
SELECT '1e3'::float8, '.5'::float8, 'inf'::float8;

-- integer_from_decimal_text
-- same
SELECT '4.2'::int;

-- bigint_sum_beyond_bigint
-- wrong: sum of bigint wraps around, Postgres has a numeric
SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) t(x);

-- bigint_avg_is_exact
-- same
SELECT avg(x) FROM (VALUES (9007199254740993), (9007199254740995)) t(x);

-- bigint_and_double_compare
-- same
SELECT 9007199254740993 = 9007199254740992::float8;

-- negative_zero_equals_zero
-- same
SELECT '-0'::float8 = 0::float8, '-0'::float8 < 0::float8;

-- nan_equals_nan
-- same
SELECT 'NaN'::float8 = 'NaN'::float8, 'NaN'::float8 > 'Infinity'::float8;

-- abs_of_least_bigint
-- same
SELECT abs((-9223372036854775807 - 1)::bigint);

-- negation_of_least_integer
-- same
SELECT -((-2147483647 - 1)::int);

-- power_zero
-- same
SELECT power(0, 0), power(0::float8, -1);

-- exp_overflow
-- wrong: exp overflows to an infinity, Postgres refuses
SELECT exp(1000.0::float8);

-- asin_out_of_range
-- wrong: asin out of its range is NaN, Postgres refuses
SELECT asin(2);

-- double_division_by_zero_columns
-- wrong: a double divided by zero is NaN or an infinity, Postgres refuses
SELECT d / n FROM numbers;

-- numeric_division_by_zero_columns
-- same
SELECT m / n FROM numbers;

-- sum_of_real
-- same
SELECT sum(r) FROM numbers WHERE n < 50;

-- stddev_of_one
-- same
SELECT stddev(n), var_pop(n) FROM numbers WHERE n = 1;

-- third_times_three
-- same
SELECT 1::numeric / 3 * 3 = 1;

-- median_descending
-- same
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY n DESC) FROM numbers;

-- cast_text_with_spaces
-- same
SELECT '  1.5 '::numeric, ' 7 '::int, ' 1e2 '::float8;

-- cast_exponent_to_integer
-- same
SELECT '1e3'::int;

-- decimal_modulo
-- same
SELECT m % 2 FROM numbers;

-- decimal_overflow
-- same
SELECT 99999999999999999999999999999999999999.0 * 10;

-- multiply_large_integers
-- wrong: bigint wraps around, Postgres refuses
SELECT 3037000500::bigint * 3037000500::bigint;
