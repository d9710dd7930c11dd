-- A file as version 1 has made it, with a delivery in each state.
PRAGMA application_id = 0x636e7473;
CREATE TABLE seen(
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    key   BLOB    NOT NULL,  -- source, 0, message id
    state INTEGER NOT NULL,  -- 0 in flight, 1 done
    token INTEGER NOT NULL,  -- the number of the claim
    until INTEGER NOT NULL); -- ms: end of the lease, or of the retention
CREATE TABLE message(
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    source   TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    type     TEXT,
    path     TEXT    NOT NULL,
    received INTEGER NOT NULL,
    headers  BLOB    NOT NULL,  -- name: value CR LF
    remain   INTEGER NOT NULL); -- how many of its deliveries exist
CREATE TABLE body(
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL);
CREATE TABLE delivery(
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    message     INTEGER NOT NULL,
    destination TEXT    NOT NULL,
    state       INTEGER NOT NULL,  -- 0 waiting, 1 leased, 2 done, 3 dead
    attempts    INTEGER NOT NULL,
    since       INTEGER NOT NULL,  -- ms: start of the schedule
    due         INTEGER NOT NULL,  -- ms: next attempt, end of the lease, or end
    token       INTEGER NOT NULL,  -- the number of the newest lease
    error       TEXT);
CREATE INDEX delivery_due ON delivery(destination, due) WHERE state < 2;
CREATE INDEX delivery_ended ON delivery(state, due) WHERE state >= 2;
-- What all processes count together.
CREATE TABLE counters(
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    token    INTEGER NOT NULL,  -- the last number of a claim or a lease
    messages INTEGER NOT NULL);
INSERT INTO counters VALUES (1, 0, 0);
INSERT INTO message(source, id, path, received, headers, remain) VALUES ('source', 'msg_1', '/', 1700000000000, x'', 5);
INSERT INTO body VALUES (1, x'7b7d');
INSERT INTO delivery(message, destination, state, attempts, since, due, token, error) VALUES
    (1, 'backend', 0, 0, 1700000000500, 1700000000500, 0, NULL),
    (1, 'backend', 1, 1, 1700000000250, 1700000060000, 1, NULL),
    (1, 'backend', 2, 1, 1700000000100, 1700000000200, 2, NULL),
    (1, 'backend', 3, 1, 1700000000050, 1700000000300, 3, 'status 500'),
    (1, 'other', 2, 1, 1700000000000, 1700000000200, 4, NULL);
UPDATE counters SET token = 4, messages = 1;
PRAGMA user_version = 1;
