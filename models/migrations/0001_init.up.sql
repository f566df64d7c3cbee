CREATE TABLE actors (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL,
    birth_year INTEGER NOT NULL,
    film       TEXT NOT NULL,
    CONSTRAINT actors_name_key_key UNIQUE (name_key)
);

CREATE TABLE users (
    id             {{id}},
    username       TEXT NOT NULL,
    username_key   TEXT NOT NULL,
    email          TEXT NOT NULL,
    email_key      TEXT NOT NULL,
    password_hash  TEXT NOT NULL,
    session_epoch  BIGINT NOT NULL DEFAULT 0,
    display_name   TEXT NOT NULL DEFAULT '',
    bio            TEXT NOT NULL DEFAULT '',
    website        TEXT NOT NULL DEFAULT '',
    favorite_actor BIGINT REFERENCES actors (id),
    role           TEXT NOT NULL DEFAULT 'member',
    suspended_at   {{time}},
    created_at     {{time}} NOT NULL,
    CONSTRAINT users_username_key_key UNIQUE (username_key),
    CONSTRAINT users_email_key_key UNIQUE (email_key)
);
CREATE INDEX users_favorite_actor ON users (favorite_actor, username_key) WHERE favorite_actor IS NOT NULL;

CREATE TABLE posts (
    id        {{id}},
    body      TEXT NOT NULL,
    timestamp {{time}} NOT NULL,
    user_id   BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    draft_key TEXT,
    edited_at {{time}},
    CONSTRAINT posts_draft_key_key UNIQUE (user_id, draft_key)
);
CREATE INDEX posts_user ON posts (user_id, id);

CREATE TABLE sessions (
    id         {{id}},
    token_hash {{bytes}} NOT NULL,
    user_id    BIGINT REFERENCES users (id) ON DELETE CASCADE,
    epoch      BIGINT NOT NULL,
    data       {{bytes}} NOT NULL,
    remember   BOOLEAN NOT NULL,
    ip         TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at {{time}} NOT NULL,
    last_seen  {{time}} NOT NULL,
    expiry     {{time}} NOT NULL,
    revoked_at {{time}},
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expiry);
