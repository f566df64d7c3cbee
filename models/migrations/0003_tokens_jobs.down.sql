DROP TABLE jobs;
DROP TABLE tokens;
