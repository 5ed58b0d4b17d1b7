-- This number belongs to another change that comes beside 0009; nothing is done here.
SELECT 1;
