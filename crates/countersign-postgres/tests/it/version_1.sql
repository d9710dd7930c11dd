BEGIN;
CREATE TABLE IF NOT EXISTS countersign_schema (version integer NOT NULL);
CREATE TABLE countersign_claim (
  key text COLLATE "C" PRIMARY KEY, -- source, space, message id
  done boolean NOT NULL,
  number bigint NOT NULL,
  until timestamptz NOT NULL,
  first_claimed timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX countersign_claim_first_claimed ON countersign_claim USING brin (first_claimed) WITH (autosummarize = on);
DELETE FROM countersign_schema;
INSERT INTO countersign_schema (version) VALUES (1);
INSERT INTO countersign_claim (key, done, number, until) VALUES ('source msg_1', true, 1, now() + interval '1 day');
COMMIT;
