-- where
SELECT k, x FROM l LEFT JOIN r USING (k) WHERE k > 1 AND lower(k) <> '' AND r.k > 0 ORDER BY k;
-- becomes
SELECT k, x FROM l LEFT JOIN r USING (k) WHERE l.k > 1 AND lower(l.k) <> '' AND r.k > 0 ORDER BY k;

-- further_join
SELECT k FROM s.l AS a JOIN r USING (k) JOIN q ON q.k = k WHERE k IN (SELECT k FROM z);
-- becomes
SELECT k FROM s.l AS a JOIN r USING (k) JOIN q ON q.k = a.k WHERE a.k IN (SELECT k FROM z);
