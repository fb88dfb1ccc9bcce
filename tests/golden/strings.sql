-- lengths
-- same
SELECT length(word), char_length(word), character_length(word), octet_length(word), bit_length(word) FROM words;

-- upper_lower_initcap
-- same
SELECT upper(word), lower(word), initcap(word) FROM words;

-- initcap_of_apostrophe
-- same
SELECT initcap('o''hara x-ray 2nd');

-- trim_forms
-- same
SELECT trim(word), ltrim(word), rtrim(word), btrim(word) FROM words;

-- trim_characters
-- same
SELECT trim(both 'xy' from 'xyaxyx'), trim(leading 'x' from 'xxa'), trim(trailing from 'a  '), btrim('xyaxy', 'xy');

-- trim_tabs_stay
-- same
SELECT trim(E'\t a \n');

-- substring_from_for
-- same
SELECT substring('hello' from 2 for 3), substring('hello' from 2), substring('hello' for 2);

-- substring_negative_start
-- same
SELECT substring('hello' from -1 for 4), substr('hello', 0, 3), substr('hello', -2);

-- substring_negative_length
-- same
SELECT substring('hello' from 2 for -1);

-- substring_regex
-- same
SELECT substring('foobar' from 'o(.)b'), substring('foobar' from 'o.b');

-- substring_similar
-- error: the parser does not know similar here
SELECT substring('foobar' similar '%#"o_b#"%' escape '#');

-- left_right
-- same
SELECT left('hello', 2), left('hello', -2), right('hello', 2), right('hello', -2);

-- lpad_rpad
-- same
SELECT lpad('7', 3, '0'), rpad('7', 3), lpad('hello', 2), lpad('x', 5, 'ab'), rpad('x', -1);

-- lpad_empty_fill
-- same
SELECT lpad('x', 5, '');

-- repeat_reverse
-- same
SELECT repeat('ab', 3), repeat('a', -1), reverse(word) FROM words;

-- replace_text
-- same
SELECT replace('aXbXc', 'X', '--'), replace('abc', '', 'x'), replace(word, 'a', 'A') FROM words;

-- translate_text
-- same
SELECT translate('12345', '143', 'ax'), translate('aab', 'aa', 'xy'), translate('abc', 'abc', '');

-- position_text
-- same
SELECT position('lo' in 'hello'), position('' in 'hello'), position('z' in 'hello'), strpos('héllo', 'l');

-- overlay_text
-- same
SELECT overlay('Txxxxas' placing 'hom' from 2 for 4), overlay('abcdef' placing 'XY' from 3);

-- overlay_past_the_end
-- same
SELECT overlay('abc' placing 'XYZ' from 3 for 9), overlay('abc' placing '' from 2 for 1);

-- split_part_text
-- same
SELECT split_part('a,b,c', ',', 2), split_part('a,b,c', ',', 9), split_part('a,b,c', ',', -1), split_part('abc', '', 1);

-- split_part_zero
-- same
SELECT split_part('a,b', ',', 0);

-- concat_functions
-- wrong: concat writes true, Postgres t
SELECT concat('a', NULL, 1, true), concat_ws('-', 'a', NULL, 'b'), concat_ws(NULL, 'a', 'b');

-- concat_of_values
-- same
SELECT concat(id, name, born, salary) FROM people;

-- ascii_chr
-- same
SELECT ascii('A'), ascii('é'), ascii(''), chr(65), chr(233);

-- chr_zero
-- wrong: chr(0) is answered, Postgres refuses
SELECT chr(0);

-- md5_text
-- same
SELECT md5('hello'), md5(name) FROM people;

-- sha256_bytes
-- same
SELECT sha256('hello'::bytea);

-- encode_decode
-- same
SELECT encode('abc'::bytea, 'hex'), encode('abc'::bytea, 'base64'), decode('616263', 'hex');

-- encode_escape
-- error: no encoding escape
SELECT encode('\x00ff41'::bytea, 'escape');

-- to_hex_numbers
-- wrong: integer literals are bigint: to_hex(-1) has 16 digits
SELECT to_hex(255), to_hex(-1), to_hex(0);

-- to_hex_bigint
-- same
SELECT to_hex(-1::bigint);

-- starts_with_function
-- same
SELECT starts_with('hello', 'he'), starts_with(word, 'a') FROM words;

-- starts_with_operator
-- same
SELECT 'hello' ^@ 'he';

-- quote_ident_text
-- same
SELECT quote_ident('abc'), quote_ident('Abc'), quote_ident('a"b'), quote_ident('select'), quote_ident('a b'), quote_ident('1a'), quote_ident('_a$1');

-- quote_literal_text
-- same
SELECT quote_literal('it''s'), quote_literal('a\b'), quote_literal(NULL), quote_nullable(NULL), quote_nullable('x');

-- quote_literal_number
-- same
SELECT quote_literal(42.5);

-- format_strings
-- same
SELECT format('Hello %s, %I is %L', 'World', 'my col', 'it''s');

-- format_without_arguments
-- same
SELECT format('100%% sure');

-- format_positions
-- same
SELECT format('%2$s %1$s|%-5s|%1$5s', 'a', 'b');

-- format_null
-- same
SELECT format('%s|%L', NULL, NULL);

-- format_rows
-- same
SELECT format('%s is %s', name, age) FROM people;

-- string_agg_ordered
-- same
SELECT string_agg(name, ', ' ORDER BY name DESC) FROM people;

-- string_agg_distinct
-- same
SELECT string_agg(DISTINCT city, ',' ORDER BY city) FROM people;

-- string_agg_null_separator
-- same
SELECT string_agg(word, NULL ORDER BY id) FROM words;

-- regexp_replace_first
-- same
SELECT regexp_replace('foo bar foo', 'foo', 'X'), regexp_replace('foo bar foo', 'foo', 'X', 'g');

-- regexp_replace_groups
-- same
SELECT regexp_replace('John Smith', '(\w+) (\w+)', '\2, \1');

-- regexp_replace_case
-- same
SELECT regexp_replace('aAaA', 'a', 'x', 'gi');

-- regexp_replace_whole_match
-- same
SELECT regexp_replace('abc', 'b', '[\&]');

-- regexp_match_function
-- same
SELECT regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_match('abc', 'b'), regexp_match('abc', 'z');

-- regexp_matches_function
-- same
SELECT regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g');

-- regexp_split
-- same
SELECT regexp_split_to_array('hello world  x', '\s+'), regexp_split_to_array('abc', '');

-- regexp_split_table
-- same
SELECT * FROM regexp_split_to_table('a b c', ' ');

-- regexp_count_function
-- same
SELECT regexp_count('ABCABCAXYaxy', 'A.'), regexp_count('ABCABCAXYaxy', 'A.', 1, 'i');

-- regexp_like_function
-- same
SELECT regexp_like('Hello World', 'world'), regexp_like('Hello World', 'world', 'i');

-- regexp_instr_function
-- same
SELECT regexp_instr('ABCDEFGHI', 'D');

-- regexp_substr_function
-- same
SELECT regexp_substr('ABCDEFGHI', 'D..');

-- unistr_text
-- error: no function unistr
SELECT unistr('d\0061t\+000061');

-- normalize_text
-- error: no function normalize
SELECT normalize(U&'a\0308', NFC);

-- btrim_bytes
-- error: btrim takes no such arguments
SELECT btrim('\x001200'::bytea, '\x00'::bytea);

-- get_byte_set_byte
-- error: no function get_byte
SELECT get_byte('\x1234'::bytea, 1);

-- bytes_literal
-- same
SELECT '\xdeadbeef'::bytea;

-- bytes_concat
-- same
SELECT '\xde'::bytea || '\xad'::bytea;

-- bytes_length
-- error: octet_length takes no such arguments
SELECT length('\xdead'::bytea), octet_length('\xdead'::bytea);

-- like_underscore
-- same
SELECT word LIKE '_pple', word LIKE '%a%', word NOT LIKE 'a%' FROM words;

-- like_escape
-- same
SELECT word LIKE '100\%', word LIKE '%\_%', word LIKE '%!_%' ESCAPE '!' FROM words;

-- like_trailing_backslash
-- same
SELECT 'a\b' LIKE 'a\\b', 'a\b' LIKE 'a\b';

-- ilike_text
-- same
SELECT word ILIKE 'BANANA', word NOT ILIKE '%A%' FROM words;

-- like_operators
-- same
SELECT 'abc' ~~ 'a%', 'abc' !~~ 'a%', 'ABC' ~~* 'a%';

-- like_any_array
-- same
SELECT word FROM words WHERE word LIKE ANY (ARRAY['a%', 'B%']);

-- similar_to
-- same
SELECT 'abc' SIMILAR TO '%(b|d)%', 'abc' SIMILAR TO 'a', 'abc' NOT SIMILAR TO 'a_c';

-- similar_to_anchors_the_whole
-- same
SELECT 'xabcx' SIMILAR TO 'abc', 'a.c' SIMILAR TO 'a.c', 'abc' SIMILAR TO 'a.c';

-- regex_operators
-- same
SELECT word ~ '^a', word ~* '^B', word !~ 'e', word !~* 'E' FROM words;

-- regex_classes
-- same
SELECT 'a1' ~ '^[[:alpha:]][[:digit:]]$', 'x y' ~ '\s', 'ab12' ~ '\d{2}', 'foo' ~ '\mfoo\M';

-- regex_back_reference
-- same
SELECT 'abab' ~ '(ab)\1';

-- regex_lookahead
-- same
SELECT 'foobar' ~ 'foo(?=bar)';

-- regex_newline
-- same
SELECT E'a\nb' ~ 'a.b', E'a\nb' ~ '^b';

-- regex_empty
-- same
SELECT 'abc' ~ '', '' ~ 'a*';

-- string_to_array_forms
-- same
SELECT string_to_array('a,b,c', ','), string_to_array('a,b', NULL), string_to_array('', ','), string_to_array('abc', ''), string_to_array('a,NULL', ',', 'NULL');

-- string_to_table_function
-- same
SELECT * FROM string_to_table('a,b', ',');

-- parse_ident_function
-- same
SELECT parse_ident('a."B".c');

-- char_padding
-- same
SELECT 'ab'::char(4) || '|', length('ab'::char(4));

-- varchar_truncates
-- same
SELECT 'abcdef'::varchar(3);

-- text_max_min
-- same
SELECT max(word), min(word) FROM words;

-- upper_of_unicode
-- wrong: upper of ß is SS, in Postgres with libc ß
SELECT upper('straße'), lower('ÀÉ');

-- levenshtein_is_an_extension
-- wrong: levenshtein is answered, Postgres has it as an extension
SELECT levenshtein('kitten', 'sitting');

-- concat_boolean
-- same
SELECT 'x' || true, 'x' || active FROM people;

-- like_newline
-- same
SELECT E'a\nb' LIKE 'a%b', E'a\nb' LIKE 'a_b';

-- ilike_unicode
-- same
SELECT 'É' ILIKE 'é', 'ÉMILE' ILIKE '%mile';

-- regex_unicode_case
-- same
SELECT 'É' ~* 'é', 'naïve' ~ '^\w+$';

-- regex_word_boundary
-- same
SELECT 'foo bar' ~ '\yfoo\y', 'foobar' ~ '\yfoo\y';

-- greatest_text
-- same
SELECT greatest('a', 'B', 'c'), least('b', 'A');

-- repeat_zero
-- same
SELECT repeat('x', 0), left('abc', NULL), lpad(NULL, 3);

-- length_of_trailing_spaces
-- same
SELECT length('a  '), 'a' = 'a  ', 'a'::char(3) = 'a'::char(5);

-- text_equals_any_literal
-- same
SELECT name FROM people WHERE city = ANY ('{London,Paris}');

-- in_numbers_as_text
-- same
SELECT id FROM people WHERE id IN ('1', '2');

-- replace_regex_start
-- same
SELECT regexp_replace('aaa', '^a', 'b', 'g'), regexp_replace('abc', '', '-', 'g');

-- regexp_replace_backslash_digit
-- same
SELECT regexp_replace('ab', '(a)(b)', '\2\1x');

-- regexp_replace_dollar
-- same
SELECT regexp_replace('price', 'price', '$1');
