-- The tables that all statements read. Arrow tables for the engine are made from what Postgres
-- answers to SELECT * of these.
CREATE TABLE people (
    id integer, name text, city text, age integer, salary numeric(10, 2), born date, active boolean
);
INSERT INTO people VALUES
    (1, 'Ada', 'London', 36, 5200.50, '1985-12-10', true),
    (2, 'Bela', 'Budapest', 29, 3100.00, '1992-03-01', false),
    (3, 'Cyd', NULL, 51, NULL, '1970-02-28', true),
    (4, 'Dora', 'London', NULL, 4100.25, NULL, NULL),
    (5, 'Émile', 'Paris', 29, 3100.00, '1992-02-29', true),
    (6, 'Finn O''Hara', 'Cork', 64, 0.00, '1957-07-31', false);

CREATE TABLE orders (
    id integer, person_id integer, product text, amount numeric(12, 2), quantity integer,
    ordered_at timestamp, shipped date, tags text[]
);
INSERT INTO orders VALUES
    (10, 1, 'lamp', 19.99, 2, '2024-01-15 10:30:00', '2024-01-17', '{home,light}'),
    (11, 1, 'desk', 250.00, 1, '2024-02-29 23:59:59.123456', '2024-03-04', '{home}'),
    (12, 2, 'lamp', 19.99, 1, '2024-03-10 00:00:00', NULL, '{}'),
    (13, 3, 'chair', 89.50, 4, '2023-12-31 12:00:00', '2024-01-02', NULL),
    (14, NULL, 'rug', 120.00, 1, '2024-06-30 18:45:10.5', '2024-07-01', '{home,NULL,soft}'),
    (15, 5, 'lamp', 24.99, 3, '2024-01-15 08:00:00', '2024-01-15', '{light,"a, b"}'),
    (16, 9, 'desk', 199.95, NULL, NULL, NULL, '{"say \"hi\""}');

CREATE TABLE events (id bigint, at timestamptz, kind text, payload json, score double precision);
INSERT INTO events VALUES
    (100, '2024-03-31 00:30:00+00', 'click', '{"x": 1, "y": {"z": [1, 2, 3]}, "s": "a\"b"}', 1.5),
    (101, '2024-03-31 01:30:00+00', 'view', '[1, "two", null, {"k": true}]', -2.25),
    (102, '2024-10-27 00:59:59.999+00', 'click', '{"x": null, "f": 1.50, "e": ""}', 0),
    (103, '1999-12-31 23:59:59+00', NULL, NULL, NULL),
    (104, '2024-02-29 12:00:00+00', 'view', '"text"', 'NaN'),
    (105, '2024-12-30 06:07:08.009+00', 'open', '{}', 'Infinity');

CREATE TABLE numbers (
    n integer, s smallint, b bigint, r real, d double precision, m numeric(12, 4)
);
INSERT INTO numbers VALUES
    (1, 1, 1, 1.5, 2.5, 1.5000),
    (-7, -7, -7, -0.25, -2.5, -2.5000),
    (0, 0, 0, 0, 0, 0),
    (42, 42, 9007199254740993, 3.25, 1e15, 12345.6789),
    (NULL, NULL, NULL, NULL, NULL, NULL),
    (100, 32767, -4611686018427387904, 1e10, 0.1, 0.0001);

CREATE TABLE lefts (k integer, x text);
INSERT INTO lefts VALUES (1, 'l1'), (2, 'l2'), (2, 'l2b'), (NULL, 'ln'), (4, 'l4');
CREATE TABLE rights (k integer, y text);
INSERT INTO rights VALUES (1, 'r1'), (2, 'r2'), (3, 'r3'), (NULL, 'rn'), (5, NULL);

CREATE TABLE words (id integer, word text);
INSERT INTO words VALUES
    (1, 'apple'), (2, 'Banana'), (3, 'cherry pie'), (4, ''), (5, NULL), (6, '100%'),
    (7, 'under_score'), (8, 'naïve café'), (9, E'tab\there'), (10, '  padded  '), (11, 'back\slash');

CREATE TABLE spans (id integer, span interval, until time);
INSERT INTO spans VALUES
    (1, '1 day', '08:00:00'),
    (2, '1 month 2 days 03:04:05', '23:59:59.999999'),
    (3, '-1 year -1 mon', '00:00:00'),
    (4, '36:00:00', NULL),
    (5, NULL, '12:30:00'),
    (6, '35 days -12:00:00', '12:30:00.5');

CREATE TABLE staff (id integer, boss integer, title text, level integer, pay integer);
INSERT INTO staff VALUES
    (1, NULL, 'chief', 1, 900), (2, 1, 'head', 2, 500), (3, 1, 'head', 2, 550),
    (4, 2, 'clerk', 3, 200), (5, 2, 'clerk', 3, 200), (6, 3, 'clerk', 3, NULL), (7, 6, 'aid', 4, 90);
