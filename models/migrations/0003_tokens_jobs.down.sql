-- loses: links that were mailed, and mail that waits
DROP TABLE jobs;
DROP TABLE tokens;
