-- loses: accounts, posts and sessions
DROP TABLE sessions;
DROP TABLE posts;
DROP TABLE users;
DROP TABLE actors;
