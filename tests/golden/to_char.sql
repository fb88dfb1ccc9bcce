-- iso
-- same
SELECT to_char(ordered_at, 'YYYY-MM-DD HH24:MI:SS') FROM orders;

-- date_iso
-- same
SELECT to_char(born, 'YYYY-MM-DD') FROM people;

-- names_padded
-- same
SELECT to_char(ordered_at, 'Day, DD Month YYYY') || '|' FROM orders;

-- names_unpadded
-- same
SELECT to_char(ordered_at, 'FMDay, FMDD FMMonth YYYY') || '|' FROM orders;

-- names_cases
-- same
SELECT to_char(ordered_at, 'DAY day Dy DY dy MONTH month Mon MON mon') FROM orders;

-- twelve_hours
-- same
SELECT to_char(ordered_at, 'HH:MI:SS AM'), to_char(ordered_at, 'HH12:MI p.m.'), to_char(ordered_at, 'HH am') FROM orders;

-- fractions
-- same
SELECT to_char(ordered_at, 'MS US FF1 FF2 FF3 FF4 FF5 FF6') FROM orders;

-- seconds_of_day
-- same
SELECT to_char(ordered_at, 'SSSS SSSSS') FROM orders;

-- years
-- same
SELECT to_char(ordered_at, 'Y,YYY YYYY YYY YY Y') FROM orders;

-- iso_weeks
-- same
SELECT to_char(born, 'IYYY IYY IY I IW ID IDDD') FROM people;

-- weeks
-- same
SELECT to_char(born, 'WW W DDD D Q CC J') FROM people;

-- roman_month
-- same
SELECT to_char(born, 'RM|rm|FMRM') FROM people;

-- ordinals
-- same
SELECT to_char(born, 'DDth FMDDth DDTH FMMMth') FROM people;

-- quoted
-- same
SELECT to_char(born, '"Year: "YYYY "\"q\""') FROM people;

-- other_characters
-- same
SELECT to_char(born, 'YYYY/MM/DD. x-z; é') FROM people;

-- time_zone
-- same
SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS TZ tz OF TZH:TZM') FROM events;

-- era
-- same
SELECT to_char(born, 'YYYY BC b.c. AD') FROM people;

-- fill_mode
-- same
SELECT to_char(ordered_at, 'FMHH24:FMMI:FMSS FMMM/FMDD FMDDD') FROM orders;

-- interval_basic
-- same
SELECT to_char(span, 'DD HH24:MI:SS'), to_char(interval '36 hours 5 minutes', 'HH24:MI') FROM spans;

-- interval_years
-- same
SELECT to_char(span, 'YYYY MM DD') FROM spans;

-- time_value
-- same
SELECT to_char(until, 'HH24:MI:SS') FROM spans;

-- number_nines
-- same
SELECT to_char(n, '999') FROM numbers;

-- number_zeros
-- same
SELECT to_char(n, '0000'), to_char(n, '00000') FROM numbers;

-- number_fill_mode
-- same
SELECT to_char(n, 'FM999'), to_char(n, 'FM0000'), to_char(m, 'FM999999.99') FROM numbers;

-- number_decimals
-- same
SELECT to_char(m, '999999.99'), to_char(m, '99990.0000') FROM numbers;

-- number_groups
-- same
SELECT to_char(m, '999,999.99'), to_char(1234567, '9,999,999'), to_char(0, '9,999') FROM numbers;

-- number_localised
-- same
SELECT to_char(1234567.891, '9G999G999D99');

-- number_signs
-- same
SELECT to_char(n, 'S999'), to_char(n, '999S'), to_char(n, '999MI'), to_char(n, 'MI999'), to_char(n, 'PL999'), to_char(n, 'SG999') FROM numbers;

-- number_angle
-- same
SELECT to_char(n, '999PR') FROM numbers;

-- number_overflow
-- same
SELECT to_char(12345, '999'), to_char(-12345.6, '99.9');

-- number_rounding
-- same
SELECT to_char(0.5, '9'), to_char(1.5, '9'), to_char(2.45, '9.9'), to_char(-0.4, '9');

-- number_leading_zero
-- same
SELECT to_char(0.1, '9.99'), to_char(0.1, '0.99'), to_char(-0.1, '99.9'), to_char(0, '99.99');

-- number_ordinal
-- same
SELECT to_char(1, '9th'), to_char(2, '9th'), to_char(3, '99th'), to_char(11, '99th'), to_char(22, '99TH');

-- number_shift
-- same
SELECT to_char(12.3, '999V99'), to_char(12, '99V9');

-- number_roman
-- same
SELECT to_char(1999, 'RN'), to_char(4, 'FMrn'), to_char(4000, 'RN');

-- number_scientific
-- same
SELECT to_char(12345.678, '9.99EEEE'), to_char(0.00012, '9.9EEEE');

-- number_literal_text
-- same
SELECT to_char(485, '"Good number: "999'), to_char(48, '99"x"9');

-- number_currency
-- same
SELECT to_char(12, 'L99');

-- number_of_double
-- wrong: doubles past 15 digits and reals are written as decimals: their text does not say what they are
SELECT to_char(d, '999999.999') FROM numbers;

-- number_of_bigint
-- same
SELECT to_char(b, '9999999999999999999') FROM numbers;

-- number_of_real
-- wrong: doubles past 15 digits and reals are written as decimals: their text does not say what they are
SELECT to_char(r, '99999.99') FROM numbers;

-- number_nan
-- wrong: a double at .5 is rounded away from zero, in Postgres to even
SELECT to_char(score, '999.9') FROM events;

-- number_spaces
-- same
SELECT to_char(12, '9 9 9'), to_char(485, ' 9 9 9');

-- number_zero_inside
-- same
SELECT to_char(12.5, '990.099'), to_char(5, '909.90');

-- null_pattern
-- same
SELECT to_char(born, NULL) IS NULL FROM people;

-- pattern_of_a_column
-- same
SELECT to_char(ordered_at, CASE WHEN id % 2 = 0 THEN 'YYYY' ELSE 'MM/DD' END) FROM orders;

-- to_number_basic
-- same
SELECT to_number('12,454.8-', '99G999D9S'), to_number('123', '999'), to_number('-1.50', 'S9.99');

-- to_number_money
-- same
SELECT to_number('1,234.56', '9,999.99'), to_number('<12>', '99PR'), to_number('12-', '99MI');

-- group_by_month
-- same
SELECT to_char(ordered_at, 'YYYY-MM') AS month, count(*), sum(amount) FROM orders GROUP BY 1 ORDER BY 1;
