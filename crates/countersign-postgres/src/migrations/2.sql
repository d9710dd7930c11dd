-- The inbox. Rows of `countersign_message` change only when a delivery is removed, so a body is written once.
-- A partial index is used only if a query repeats its condition literally.
CREATE TABLE countersign_message (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  id text NOT NULL,
  type text,
  path text NOT NULL,
  received bigint NOT NULL, -- ms, by the clock of the receiver
  headers bytea NOT NULL, -- name: value CR LF
  body bytea NOT NULL,
  remain bigint NOT NULL -- how many of its deliveries exist
);
ALTER TABLE countersign_message ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE countersign_delivery (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message bigint NOT NULL,
  destination text COLLATE "C" NOT NULL,
  state smallint NOT NULL, -- 0 waiting, 1 leased, 2 done, 3 dead
  attempts bigint NOT NULL,
  since timestamptz NOT NULL, -- start of the schedule
  due timestamptz NOT NULL, -- next attempt, end of the lease, or end
  number bigint NOT NULL, -- of the newest lease
  error text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX countersign_delivery_due ON countersign_delivery (destination, due, seq) WHERE state < 2;
CREATE INDEX countersign_delivery_ended ON countersign_delivery (state, due) WHERE state >= 2;
-- The number of messages is the sum. Connections count in different rows, so that they do not wait for each other.
CREATE TABLE countersign_count (
  shard integer PRIMARY KEY,
  messages bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO countersign_count (shard, messages) SELECT shard, 0 FROM generate_series(0, 15) AS shard;
CREATE TABLE countersign_paused (
  destination text COLLATE "C" PRIMARY KEY
);
