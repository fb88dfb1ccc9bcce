-- integer_division_truncates
-- same
SELECT n / 2, -7 / 2, 7 / -2 FROM numbers;

-- modulo_takes_the_sign_of_the_dividend
-- same
SELECT n % 3, mod(n, 3), mod(-7, 3), mod(7, -3) FROM numbers;

-- power_operator
-- same
SELECT 2 ^ 3;

-- power_operator_of_columns
-- same
SELECT n ^ 2 FROM numbers WHERE n < 50;

-- power_operator_precedence
-- same
SELECT -2 ^ 2, 2 ^ 3 ^ 2;

-- bitwise_xor
-- same
SELECT 5 # 3;

-- bitwise_and_or_not
-- same
SELECT 12 & 10, 12 | 10, ~5;

-- bit_shifts
-- same
SELECT 1 << 4, 256 >> 3;

-- square_root_operator
-- same
SELECT |/ 25.0;

-- cube_root_operator
-- same
SELECT ||/ 27.0;

-- absolute_value_operator
-- same
SELECT @ -5;

-- factorial_function
-- same
SELECT factorial(5);

-- division_by_zero_integer
-- same
SELECT 1 / 0;

-- division_by_zero_in_a_column
-- same
SELECT n, 10 / n FROM numbers;

-- division_by_zero_float
-- wrong: a double divided by zero is an infinity, Postgres refuses
SELECT 1.0::double precision / 0;

-- division_by_zero_numeric
-- wrong: a decimal literal is a double: divided by zero it is an infinity, Postgres refuses
SELECT 1.5 / 0;

-- modulo_by_zero
-- same
SELECT 5 % 0;

-- integer_overflow
-- wrong: integer literals are bigint: no overflow at 2 ** 31
SELECT 2147483647 + 1;

-- integer_overflow_of_columns
-- wrong: integer and a literal give bigint: no overflow at 2 ** 31
SELECT n + 2147483647 FROM numbers WHERE n = 100;

-- bigint_overflow
-- wrong: bigint wraps around, Postgres refuses
SELECT 9223372036854775807 + 1;

-- smallint_overflow_of_cast
-- same
SELECT 70000::smallint;

-- integer_times_integer_overflow
-- wrong: integer and a literal give bigint: no overflow at 2 ** 31
SELECT n * 100000000 FROM numbers;

-- unary_minus
-- same
SELECT -n, - -n, +n FROM numbers;

-- integer_literals_big
-- same
SELECT 9007199254740993, 12345678901234567890;

-- decimal_literal_is_exact
-- wrong: a decimal literal is a double: 0.1 + 0.2 is not 0.3
SELECT 0.1 + 0.2 = 0.3;

-- decimal_literal_sum
-- same
SELECT 0.1 + 0.2;

-- decimal_division
-- same
SELECT 10.0 / 4, 1 / 3.0, 2 / 3.0;

-- float_comparison
-- same
SELECT 0.1::float8 + 0.2::float8 = 0.3::float8;

-- boolean_literals
-- same
SELECT true, false, NULL::boolean, 't'::boolean, 'off'::boolean, 'yes'::boolean;

-- boolean_logic
-- same
SELECT active, NOT active, active AND NULL, active OR true FROM people;

-- boolean_comparison
-- same
SELECT true > false, active = true FROM people;

-- is_true
-- same
SELECT active IS TRUE, active IS NOT TRUE, active IS FALSE, active IS UNKNOWN FROM people;

-- between
-- same
SELECT age BETWEEN 29 AND 50, age NOT BETWEEN 29 AND 50 FROM people;

-- between_symmetric
-- same
SELECT 5 BETWEEN SYMMETRIC 10 AND 1;

-- in_list
-- same
SELECT id IN (1, 2, NULL), id NOT IN (1, 2), id NOT IN (1, NULL) FROM people;

-- row_comparison
-- same
SELECT (1, 2) < (1, 3), (1, 2) = (1, 2);

-- row_comparison_of_columns
-- same
SELECT id FROM people WHERE (age, id) > (29, 2);

-- row_in
-- same
SELECT id FROM people WHERE (id, age) IN ((1, 36), (2, 30));

-- case_searched
-- same
SELECT CASE WHEN age > 50 THEN 'old' WHEN age > 30 THEN 'mid' ELSE 'young' END FROM people;

-- case_simple
-- same
SELECT CASE city WHEN 'London' THEN 1 WHEN 'Paris' THEN 2 END FROM people;

-- case_null_operand
-- same
SELECT CASE city WHEN NULL THEN 'null' ELSE 'other' END FROM people;

-- case_mixed_numbers
-- same
SELECT CASE WHEN id = 1 THEN 1 ELSE 2.5 END FROM people;

-- case_guards_division
-- same
SELECT CASE WHEN n <> 0 THEN 100 / n ELSE NULL END FROM numbers;

-- greatest_least
-- same
SELECT greatest(1, NULL, 3), least(1, NULL, 3), greatest(n, s) FROM numbers;

-- nullif
-- same
SELECT nullif(city, 'London'), nullif(1, 1) FROM people;

-- coalesce_types
-- same
SELECT coalesce(NULL, age, 0), coalesce(city, 'none') FROM people;

-- column_without_from
-- same
SELECT 1 AS a, 'x' AS b;

-- quoted_identifiers
-- same
SELECT "name" AS "The Name" FROM people;

-- identifiers_fold_to_lower_case
-- same
SELECT NAME, People.Id FROM PEOPLE;

-- dollar_quoted_string
-- same
SELECT $$it's$$, $tag$a $$ b$tag$;

-- escape_string
-- same
SELECT E'a\tb\\c\x41', 'a\tb';

-- unicode_escape_string
-- error: no literal of the kind UnicodeStringLiteral
SELECT U&'d\0061t\+000061';

-- string_continuation
-- same
SELECT 'foo' 'bar';

-- concat_operator_with_number
-- same
SELECT 'n=' || n FROM numbers;

-- concat_operator_null
-- same
SELECT 'a' || NULL, name || city FROM people;

-- comparison_text_collation
-- same
SELECT 'a' < 'B', 'Z' < 'a';

-- order_text
-- same
SELECT name FROM people ORDER BY name;

-- distinct_from
-- same
SELECT city IS DISTINCT FROM 'London', city IS NOT DISTINCT FROM NULL FROM people;

-- exists_without_rows
-- error: EXISTS outside of WHERE
SELECT EXISTS (SELECT 1 FROM people WHERE id = 99);

-- collate_c
-- same
SELECT 'a' COLLATE "C" < 'B' COLLATE "C";

-- numeric_to_text_concat
-- same
SELECT 1.50 || '';

-- hex_literal
-- same
SELECT 0x1F;

-- underscore_literal
-- same
SELECT 1_000_000;

-- not_equal_spellings
-- same
SELECT 1 != 2, 1 <> 1;

-- operator_syntax
-- error: no operator PGCustomBinaryOperator
SELECT 1 OPERATOR(pg_catalog.+) 2;

-- at_time_zone_precedence
-- same
SELECT timestamp '2024-01-01 00:00:00' AT TIME ZONE 'UTC' = timestamptz '2024-01-01 00:00:00+00';

-- isnull_postfix
-- same
SELECT city ISNULL, city NOTNULL FROM people;
