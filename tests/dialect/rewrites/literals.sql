-- bases
SELECT 0x1F, 0b101, 1_000_000, 10 FROM t0x1;
-- becomes
SELECT 31 AS "?column?", 5 AS "?column?", 1000000 AS "?column?", 10 FROM t0x1;

-- two_lines
SELECT 'foo'
  'bar';
-- becomes
SELECT 'foobar';

-- slices
SELECT a[:2], a[2:], a[1:2], a[1] FROM t;
-- becomes
SELECT a[1:2] AS "a", a[2:2147483647] AS "a", a[1:2], a[1] FROM t;
