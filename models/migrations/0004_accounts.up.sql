ALTER TABLE users ADD COLUMN email_confirmed_at {{time}};
ALTER TABLE users ADD COLUMN totp_secret {{bytes}};
ALTER TABLE users ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN invited_by BIGINT REFERENCES users (id) ON DELETE SET NULL;
ALTER TABLE users ADD COLUMN awaiting_since {{time}};
ALTER TABLE users ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN delete_at {{time}};
CREATE INDEX users_invited_by ON users (invited_by) WHERE invited_by IS NOT NULL;
CREATE INDEX users_awaiting ON users (awaiting_since) WHERE awaiting_since IS NOT NULL;
CREATE INDEX users_delete_at ON users (delete_at) WHERE delete_at IS NOT NULL;
CREATE INDEX users_owners ON users (id) WHERE role = 'owner';

CREATE TABLE retired_names (
    username_key TEXT NOT NULL PRIMARY KEY,
    retired_at   {{time}} NOT NULL
);

ALTER TABLE tokens ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN browser_hash {{bytes}};
ALTER TABLE tokens ADD COLUMN code_hash {{bytes}};
ALTER TABLE tokens ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX tokens_browser ON tokens (browser_hash) WHERE browser_hash IS NOT NULL;

CREATE TABLE recovery_codes (
    id        {{id}},
    user_id   BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash {{bytes}} NOT NULL,
    used_at   {{time}},
    CONSTRAINT recovery_codes_code_hash_key UNIQUE (code_hash)
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

CREATE TABLE passkeys (
    id            {{id}},
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id {{bytes}} NOT NULL,
    name          TEXT NOT NULL,
    public_key    {{bytes}} NOT NULL,
    sign_count    BIGINT NOT NULL,
    backed_up     BOOLEAN NOT NULL,
    created_at    {{time}} NOT NULL,
    last_used_at  {{time}},
    CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id)
);
CREATE INDEX passkeys_user ON passkeys (user_id);

CREATE TABLE challenges (
    challenge_hash {{bytes}} NOT NULL PRIMARY KEY,
    purpose        TEXT NOT NULL,
    user_id        BIGINT REFERENCES users (id) ON DELETE CASCADE,
    expires_at     {{time}} NOT NULL
);
CREATE INDEX challenges_expiry ON challenges (expires_at);

CREATE TABLE security_events (
    id         {{id}},
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    detail     TEXT NOT NULL,
    ip         TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at {{time}} NOT NULL
);
CREATE INDEX security_events_user ON security_events (user_id, id);
CREATE INDEX security_events_created ON security_events (created_at);

CREATE TABLE tries (
    try_key    {{bytes}} NOT NULL,
    seq        BIGINT NOT NULL,
    expires_at {{time}} NOT NULL,
    PRIMARY KEY (try_key, seq)
);
CREATE INDEX tries_expiry ON tries (expires_at);

CREATE TABLE invitations (
    id         {{id}},
    token_hash {{bytes}} NOT NULL,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    note       TEXT NOT NULL,
    uses       BIGINT NOT NULL DEFAULT 0,
    max_uses   BIGINT NOT NULL,
    created_at {{time}} NOT NULL,
    expires_at {{time}} NOT NULL,
    revoked_at {{time}},
    CONSTRAINT invitations_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX invitations_user ON invitations (user_id);

CREATE TABLE site (
    id            BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    registration  TEXT NOT NULL DEFAULT '',
    about         TEXT NOT NULL DEFAULT '',
    confirm_email BOOLEAN NOT NULL DEFAULT FALSE,
    second_factor TEXT NOT NULL DEFAULT '',
    inviting      TEXT NOT NULL DEFAULT 'member',
    setup_hash    {{bytes}},
    changed_at    {{time}}
);
INSERT INTO site (id) VALUES (1);

CREATE TABLE audit (
    id         {{id}},
    created_at {{time}} NOT NULL,
    actor_id   BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    target_id  BIGINT NOT NULL,
    target     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    hash       {{bytes}} NOT NULL
);

CREATE TABLE exports (
    id          {{id}},
    user_id     BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at  {{time}} NOT NULL,
    posts       BIGINT NOT NULL DEFAULT 0,
    total       BIGINT NOT NULL DEFAULT 0,
    data        {{bytes}},
    finished_at {{time}},
    expires_at  {{time}},
    failed_at   {{time}}
);
CREATE INDEX exports_user ON exports (user_id);
