-- another branch's
SELECT 1;
